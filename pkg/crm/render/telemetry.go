// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Names of the OpenTelemetry specification,
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables.
const (
	otelDisabled   = "OTEL_SDK_DISABLED"
	otelService    = "OTEL_SERVICE_NAME"
	otelEndpoint   = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otelProtocol   = "OTEL_EXPORTER_OTLP_PROTOCOL"
	otelTraces     = "OTEL_TRACES_EXPORTER"
	otelMetrics    = "OTEL_METRICS_EXPORTER"
	otelLogs       = "OTEL_LOGS_EXPORTER"
	otelSampler    = "OTEL_TRACES_SAMPLER"
	otelSamplerArg = "OTEL_TRACES_SAMPLER_ARG"
	otelResource   = "OTEL_RESOURCE_ATTRIBUTES"

	exporterOTLP = "otlp"
	exporterNone = "none"
	// samplerRatio samples new traces by ratio, and others as their parent.
	samplerRatio = "parentbased_traceidratio"
)

// telemetry is what the function's container is told about telemetry: the record's
// settings over the environment's. Nothing where neither says anything.
func (f *function) telemetry() map[string]string {
	own := f.record.Spec.Telemetry
	if own == nil {
		own = &v1alpha1.Telemetry{}
	}
	shared := f.in.Environment.Spec.Telemetry
	enabled := cmp.Or(own.Enabled, shared.Enabled)
	switch {
	case enabled == nil && shared.Endpoint == "":
		return nil
	case enabled != nil && !*enabled:
		return map[string]string{otelDisabled: "true"}
	}
	exporter := func(own, shared *bool) string {
		wanted := cmp.Or(own, shared)
		if shared == nil && own == nil || *wanted {
			if f.in.Environment.Spec.Telemetry.Endpoint != "" {
				return exporterOTLP
			}
		}
		return exporterNone
	}
	variables := map[string]string{
		otelService:  cmp.Or(own.ServiceName, shared.ServiceName, f.record.Spec.DeploymentUnit.ClassKey),
		otelTraces:   exporter(own.Traces, shared.Traces),
		otelMetrics:  exporter(own.Metrics, shared.Metrics),
		otelLogs:     exporter(own.Logs, shared.Logs),
		otelResource: f.resourceAttributes(shared.ResourceAttributes, own.ResourceAttributes),
	}
	if shared.Endpoint != "" {
		variables[otelEndpoint] = shared.Endpoint
		variables[otelProtocol] = cmp.Or(shared.Protocol, "grpc")
	}
	if rate := cmp.Or(own.SamplingRate, shared.SamplingRate); rate != "" {
		variables[otelSampler], variables[otelSamplerArg] = samplerRatio, rate
	}
	return variables
}

// resourceAttributes tell which function the telemetry is from; the user's win.
func (f *function) resourceAttributes(layers ...map[string]string) string {
	unit := f.record.Spec.DeploymentUnit
	attributes := map[string]string{
		"service.namespace":           unit.PackageName,
		"deployment.environment.name": f.record.Spec.TargetEnvironment,
		"oaas.deployment.id":          f.record.Name,
		"oaas.class":                  unit.ClassKey,
		"oaas.function":               f.container.FunctionKey,
	}
	if unit.PackageVersion != "" {
		attributes["service.version"] = unit.PackageVersion
	}
	for _, layer := range layers {
		maps.Copy(attributes, layer)
	}
	pairs := make([]string, 0, len(attributes))
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		pairs = append(pairs, encode(key)+"="+encode(attributes[key]))
	}
	return strings.Join(pairs, ",")
}

// encode writes in percent what a list of attributes cannot hold: the specification
// takes the format of W3C baggage, whose values are visible ASCII without quotes,
// commas, semicolons and backslashes.
func encode(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`",;\%=`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
