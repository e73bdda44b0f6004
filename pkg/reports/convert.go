// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	pmvalidation "oaas.io/oaas/pkg/apis/pm/validation"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

// Bounds of reports. They leave room for anything that a cluster can do, and none
// for what can only be a mistake.
const (
	// MaxUnits is the number of units in one report.
	MaxUnits = 1000
	// MaxSkew is how far the clock of a cluster may be ahead.
	MaxSkew = time.Minute

	maxCores             = 1e6
	maxMemory            = int64(1) << 50
	maxRequestsPerSecond = 1e12
	maxLatencyMs         = 1e9
)

// Decimals that are kept, so that the noise of binary fractions is not.
const (
	rateDecimals     = 3
	fractionDecimals = 6
	latencyDecimals  = 3
)

// FromStatuses converts a request, or returns everything that is wrong with it.
func FromStatuses(request *packagev1.ReportDeploymentStatusRequest, now time.Time) ([]Report, field.ErrorList) {
	list := field.NewPath("statuses")
	errs := checkRequest(request.GetCluster(), len(request.GetStatuses()), list)
	if len(errs) > 0 {
		return nil, errs
	}
	converted := make([]Report, 0, len(request.GetStatuses()))
	for i, status := range request.GetStatuses() {
		path := list.Index(i)
		unit, unitErrs := unitOf(request.GetCluster(), status.GetUnit(), path.Child("unit"))
		at, timeErrs := timeOf(status.GetObservedAt(), now, path.Child("observed_at"))
		health, healthErrs := healthOf(status.GetHealth(), path.Child("health"))
		errs = append(append(append(errs, unitErrs...), healthErrs...), timeErrs...)
		errs = append(errs, pmvalidation.ValidateRuntimeWord(status.GetCondition(), path.Child("condition"))...)
		errs = append(errs, pmvalidation.ValidateRuntimeWord(status.GetPhase(), path.Child("phase"))...)
		errs = append(errs, pmvalidation.ValidateRuntimeMessage(status.GetMessage(), path.Child("message"))...)
		converted = append(converted, Report{Unit: unit, Status: &Status{
			Health: health, Condition: status.GetCondition(), Phase: status.GetPhase(), Message: status.GetMessage(), At: at,
		}})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return converted, nil
}

// FromMetrics converts a request, or returns everything that is wrong with it.
func FromMetrics(request *packagev1.ReportRuntimeMetricsRequest, now time.Time) ([]Report, field.ErrorList) {
	list := field.NewPath("metrics")
	errs := checkRequest(request.GetCluster(), len(request.GetMetrics()), list)
	if len(errs) > 0 {
		return nil, errs
	}
	converted := make([]Report, 0, len(request.GetMetrics()))
	for i, metrics := range request.GetMetrics() {
		path := list.Index(i)
		unit, unitErrs := unitOf(request.GetCluster(), metrics.GetUnit(), path.Child("unit"))
		at, timeErrs := timeOf(metrics.GetObservedAt(), now, path.Child("observed_at"))
		total, totalErrs := metricsOf(metrics.GetTotal(), path.Child("total"))
		functions, functionErrs := functionsOf(metrics.GetFunctions(), path.Child("functions"))
		errs = append(append(append(append(errs, unitErrs...), totalErrs...), functionErrs...), timeErrs...)
		converted = append(converted, Report{Unit: unit, Metrics: &Metrics{Total: total, Functions: functions, At: at}})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return converted, nil
}

// checkRequest looks at what makes going through the units pointless.
func checkRequest(cluster string, units int, list *field.Path) field.ErrorList {
	errs := labelOf(cluster, field.NewPath("cluster"))
	if units > MaxUnits {
		errs = append(errs, field.TooMany(list, units, MaxUnits))
	}
	return errs
}

func unitOf(cluster string, unit *packagev1.Unit, path *field.Path) (Unit, field.ErrorList) {
	if unit == nil {
		return Unit{}, field.ErrorList{field.Required(path, "name the unit")}
	}
	errs := labelOf(unit.GetNamespace(), path.Child("namespace"))
	errs = append(errs, labelOf(unit.GetDeploymentId(), path.Child("deployment_id"))...)
	if unit.GetClassDeployment() == "" {
		errs = append(errs, field.Required(path.Child("class_deployment"), ""))
	} else {
		for _, message := range validation.IsDNS1123Subdomain(unit.GetClassDeployment()) {
			errs = append(errs, field.Invalid(path.Child("class_deployment"), unit.GetClassDeployment(), message))
		}
	}
	return Unit{
		Cluster: cluster, DeploymentID: unit.GetDeploymentId(), Namespace: unit.GetNamespace(), ClassDeployment: unit.GetClassDeployment(),
	}, errs
}

func labelOf(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	for _, message := range validation.IsDNS1123Label(name) {
		errs = append(errs, field.Invalid(path, name, message))
	}
	return errs
}

func healthOf(health packagev1.RuntimeHealth, path *field.Path) (pm.RuntimeHealth, field.ErrorList) {
	switch health {
	case packagev1.RuntimeHealth_RUNTIME_HEALTH_UNSPECIFIED:
		return pm.RuntimeUnknown, nil
	case packagev1.RuntimeHealth_RUNTIME_HEALTH_HEALTHY:
		return pm.RuntimeHealthy, nil
	case packagev1.RuntimeHealth_RUNTIME_HEALTH_DEGRADED:
		return pm.RuntimeDegraded, nil
	case packagev1.RuntimeHealth_RUNTIME_HEALTH_UNHEALTHY:
		return pm.RuntimeUnhealthy, nil
	}
	return "", field.ErrorList{field.Invalid(path, int32(health), "is not a health that this version knows: use 0 for one that is not known")}
}

func timeOf(stamp *timestamppb.Timestamp, now time.Time, path *field.Path) (time.Time, field.ErrorList) {
	if stamp == nil {
		return time.Time{}, field.ErrorList{field.Required(path, "say when this was so")}
	}
	if err := stamp.CheckValid(); err != nil {
		return time.Time{}, field.ErrorList{field.Invalid(path, fmt.Sprintf("%ds %dns", stamp.GetSeconds(), stamp.GetNanos()), err.Error())}
	}
	at := stamp.AsTime().Truncate(precision)
	switch {
	case at.Unix() <= 0:
		return time.Time{}, field.ErrorList{field.Invalid(path, at.Format(time.RFC3339), "is before all clusters: set the clock")}
	case at.After(now.Add(MaxSkew)):
		return time.Time{}, field.ErrorList{field.Invalid(path, at.Format(time.RFC3339),
			fmt.Sprintf("is more than %s ahead of the Package Manager's clock (%s): set the cluster's clock", MaxSkew, now.UTC().Format(time.RFC3339)))}
	}
	return at, nil
}

func functionsOf(functions []*packagev1.FunctionMetrics, path *field.Path) ([]pm.FunctionRuntime, field.ErrorList) {
	if len(functions) > pmvalidation.MaxRuntimeFunctions {
		return nil, field.ErrorList{field.TooMany(path, len(functions), pmvalidation.MaxRuntimeFunctions)}
	}
	var (
		errs      field.ErrorList
		converted []pm.FunctionRuntime
		seen      = map[string]bool{}
	)
	for i, function := range functions {
		key, keyPath := function.GetFunctionKey(), path.Index(i).Child("function_key")
		errs = append(errs, pmvalidation.ValidateRuntimeFunctionKey(key, keyPath)...)
		if seen[key] {
			errs = append(errs, field.Duplicate(keyPath, key))
		}
		seen[key] = true
		metrics, metricsErrs := metricsOf(function.GetMetrics(), path.Index(i).Child("metrics"))
		errs = append(errs, metricsErrs...)
		converted = append(converted, pm.FunctionRuntime{Key: key, Metrics: metrics})
	}
	return converted, errs
}

func metricsOf(m *packagev1.Metrics, path *field.Path) (pm.RuntimeMetrics, field.ErrorList) {
	c := checker{path: path}
	converted := pm.RuntimeMetrics{
		RequestsPerSecond: c.decimal("requests_per_second", m.GetRequestsPerSecond(), m != nil && m.RequestsPerSecond != nil, maxRequestsPerSecond, rateDecimals),
		ErrorRate:         c.decimal("error_rate", m.GetErrorRate(), m != nil && m.ErrorRate != nil, 1, fractionDecimals),
		LatencyP50Ms:      c.decimal("latency_p50_ms", m.GetLatencyP50Ms(), m != nil && m.LatencyP50Ms != nil, maxLatencyMs, latencyDecimals),
		LatencyP95Ms:      c.decimal("latency_p95_ms", m.GetLatencyP95Ms(), m != nil && m.LatencyP95Ms != nil, maxLatencyMs, latencyDecimals),
		LatencyP99Ms:      c.decimal("latency_p99_ms", m.GetLatencyP99Ms(), m != nil && m.LatencyP99Ms != nil, maxLatencyMs, latencyDecimals),
		Replicas:          c.count("replicas", m.GetReplicas()),
		ReadyReplicas:     c.count("ready_replicas", m.GetReadyReplicas()),
	}
	if m != nil && m.CpuCores != nil && c.number("cpu_cores", m.GetCpuCores(), maxCores) {
		converted.CPU = resource.NewMilliQuantity(int64(math.Round(m.GetCpuCores()*1000)), resource.DecimalSI)
	}
	if m != nil && m.MemoryBytes != nil {
		bytes := m.GetMemoryBytes()
		if bytes < 0 || bytes > maxMemory {
			c.refuse("memory_bytes", bytes, fmt.Sprintf("must be between 0 and %d", maxMemory))
		} else {
			converted.Memory = resource.NewQuantity(bytes, resource.BinarySI)
		}
	}
	return converted, c.errs
}

// checker collects what is wrong with the numbers of one message.
type checker struct {
	path *field.Path
	errs field.ErrorList
}

func (c *checker) refuse(name string, value any, remedy string) {
	c.errs = append(c.errs, field.Invalid(c.path.Child(name), value, remedy))
}

func (c *checker) number(name string, value, most float64) bool {
	// Comparisons with NaN are false, so NaN is refused too.
	if value >= 0 && value <= most {
		return true
	}
	c.refuse(name, strconv.FormatFloat(value, 'g', -1, 64), fmt.Sprintf("must be between 0 and %g; leave it out when it was not measured", most))
	return false
}

func (c *checker) decimal(name string, value float64, present bool, most float64, decimals int) string {
	if !present || !c.number(name, value, most) {
		return ""
	}
	return decimal(value, decimals)
}

func (c *checker) count(name string, value int32) int32 {
	if value < 0 || value > pmvalidation.MaxRuntimeReplicas {
		c.refuse(name, value, fmt.Sprintf("must be between 0 and %d", pmvalidation.MaxRuntimeReplicas))
		return 0
	}
	return value
}

// decimal writes a number that is not negative, rounded, without zeros at the end.
func decimal(value float64, decimals int) string {
	text := strconv.FormatFloat(value, 'f', decimals, 64)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "" || text == "-0" || text == "-" {
		return "0"
	}
	return text
}
