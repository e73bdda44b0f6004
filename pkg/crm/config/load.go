// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// Load puts the settings together and checks them. file is the content of the
// YAML file, nil for none; environ are variables as os.Environ gives them; flags
// were parsed and may be nil. The error is one line that names each setting that
// is wrong.
func Load(ctx context.Context, file []byte, environ []string, flags *Flags) (Config, error) {
	variables, err := settingsOf(environ)
	if err != nil {
		return Config{}, err
	}
	profile, err := profileOf(file, variables, flags)
	if err != nil {
		return Config{}, err
	}
	c, err := override(ctx, Defaults(profile), file, variables, flags)
	if err == nil && c.Prometheus.URL != "" {
		c, err = override(ctx, Defaults(profile).withPrometheus(), file, variables, flags)
	}
	if err != nil {
		return Config{}, err
	}
	for i, name := range c.Security.AllowedNames {
		c.Security.AllowedNames[i] = strings.TrimSpace(name)
	}
	return c, c.Validate()
}

// override puts what was set over defaults.
func override(ctx context.Context, c Config, file []byte, variables map[string]string, flags *Flags) (Config, error) {
	if err := yaml.UnmarshalStrict(file, &c); err != nil {
		return Config{}, fmt.Errorf("configuration file: %s", oneLine(err))
	}
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{
		Target:   &c,
		Lookuper: envconfig.MapLookuper(variables),
	}); err != nil {
		return Config{}, fmt.Errorf("environment: %s", oneLine(err))
	}
	flags.override(&c)
	return c, nil
}

// settingsOf picks the variables with the prefix, which is cut off, and refuses
// those that are no setting.
func settingsOf(environ []string) (map[string]string, error) {
	known := map[string]bool{}
	// Every lookup that envconfig makes is the name of a setting.
	record := envconfig.LookuperFunc(func(key string) (string, bool) {
		known[key] = true
		return "", false
	})
	if err := envconfig.ProcessWith(context.Background(), &envconfig.Config{Target: &Config{}, Lookuper: record}); err != nil {
		return nil, fmt.Errorf("list settings: %w", err)
	}
	variables := map[string]string{}
	var unknown []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		key, ok := strings.CutPrefix(name, EnvPrefix)
		switch {
		case !ok:
		case !known[key]:
			unknown = append(unknown, name)
		default:
			variables[key] = value
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("environment: %s is not a setting of this version: correct the name or unset it",
			strings.Join(unknown, ", "))
	}
	return variables, nil
}

// profileOf finds the profile first, since all other defaults depend on it.
func profileOf(file []byte, variables map[string]string, flags *Flags) (Profile, error) {
	var inFile struct {
		Profile Profile `json:"profile"`
	}
	if err := yaml.Unmarshal(file, &inFile); err != nil {
		return "", fmt.Errorf("configuration file: %s", oneLine(err))
	}
	var inFlags Config
	flags.override(&inFlags)
	return cmp.Or(inFlags.Profile, Profile(variables["PROFILE"]), inFile.Profile, ProfileDev), nil
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// Flags are the settings that the command line can override.
type Flags struct {
	set    *pflag.FlagSet
	values Config
}

// AddFlags adds the flags to a set, to be parsed before Load.
func AddFlags(set *pflag.FlagSet) *Flags {
	f := &Flags{set: set}
	defaults := Defaults(ProfileDev)
	v := &f.values
	set.StringVar((*string)(&v.Profile), "profile", string(defaults.Profile), "defaults of all other settings: full, edge or dev")
	set.StringVar((*string)(&v.Log), "log", string(defaults.Log), "amount of logging: info or debug")
	set.StringVar(&v.K8sNamespace, "k8s-namespace", "", "namespace of all records; empty puts each into that of its ClassDeployment")
	set.StringVar((*string)(&v.CRDs), "crds", string(defaults.CRDs), "custom resource definitions at start: apply or check")
	set.StringVar(&v.GRPCAddress, "grpc-address", defaults.GRPCAddress, "address of the gRPC server")
	set.StringVar(&v.MetricsAddress, "metrics-address", defaults.MetricsAddress, "address of /metrics; 0 for none")
	set.StringVar(&v.HealthAddress, "health-address", defaults.HealthAddress, "address of /healthz and /readyz; 0 for none")
	set.IntVar(&v.ReconcileConcurrency, "reconcile-concurrency", defaults.ReconcileConcurrency, "records worked on at a time, 1 to 64")
	set.BoolVar(&v.Features.LeaderElection, "leader-election", defaults.Features.LeaderElection, "let several copies run, of which one reconciles")
	set.BoolVar(&v.Features.HPA, "hpa", defaults.Features.HPA, "let templates make a HorizontalPodAutoscaler; default in full and edge: true")
	set.BoolVar(&v.Features.Knative, "knative", defaults.Features.Knative, "let records run as Knative Services where there are any; default in full: true")
	set.BoolVar(&v.Features.Prometheus, "prometheus", defaults.Features.Prometheus, "use the Prometheus of --prometheus-url; default in full, and with a URL: true")
	set.BoolVar(&v.Features.NFREnforcement, "nfr-enforcement", defaults.Features.NFREnforcement, "let records be changed to keep their requirements (without effect in this version); default in full and edge with --prometheus-url: true")
	set.StringVar(&v.Prometheus.URL, "prometheus-url", "", "URL of a Prometheus, which full needs; one with a password belongs in the environment variable")
	set.IntVar(&v.Enforcement.CooldownSecs, "enforcement-cooldown-secs", defaults.Enforcement.CooldownSecs, "seconds for which a record that was changed to keep its requirements is left alone, 10 to 3600 (without effect in this version); default in full: 60")
	set.IntVar(&v.Enforcement.MaxReplicaDelta, "enforcement-max-replica-delta", defaults.Enforcement.MaxReplicaDelta, "percent of its replicas by which a function grows or shrinks at a time, 1 to 100 (without effect in this version)")
	set.StringVar(&v.ODGM.Image, "odgm-image", "", "image of the data grid; empty runs classes with state without one")
	set.BoolVar(&v.ODGM.Probe, "odgm-probe", defaults.ODGM.Probe, "ask the nodes of data grids how they are; off, the readiness of their pods has to do")
	set.IntVar(&v.Templates.BatchSize, "template-batch-size", defaults.Templates.BatchSize, "records that take a changed template at a time, 1 to 1000")
	set.Int32Var(&v.Limits.MaxReplicas, "max-replicas", defaults.Limits.MaxReplicas, "most replicas of a function, 1 to 1000")
	set.BoolVar(&v.Security.MTLS, "mtls", defaults.Security.MTLS, "ask callers for a certificate")
	set.StringVar(&v.Security.TLSCertFile, "tls-cert-file", "", "certificate of the gRPC server")
	set.StringVar(&v.Security.TLSKeyFile, "tls-key-file", "", "key of the certificate")
	set.StringVar(&v.Security.ClientCAFile, "client-ca-file", "", "authorities that sign callers' certificates")
	set.StringSliceVar(&v.Security.AllowedNames, "allowed-names", defaults.Security.AllowedNames, "names in certificates of callers that may call")
	return f
}

// override copies the flags that were given.
func (f *Flags) override(c *Config) {
	if f == nil {
		return
	}
	v := &f.values
	for name, apply := range map[string]func(){
		"profile":                       func() { c.Profile = v.Profile },
		"prometheus":                    func() { c.Features.Prometheus = v.Features.Prometheus },
		"nfr-enforcement":               func() { c.Features.NFREnforcement = v.Features.NFREnforcement },
		"prometheus-url":                func() { c.Prometheus.URL = v.Prometheus.URL },
		"enforcement-cooldown-secs":     func() { c.Enforcement.CooldownSecs = v.Enforcement.CooldownSecs },
		"enforcement-max-replica-delta": func() { c.Enforcement.MaxReplicaDelta = v.Enforcement.MaxReplicaDelta },
		"log":                           func() { c.Log = v.Log },
		"k8s-namespace":                 func() { c.K8sNamespace = v.K8sNamespace },
		"crds":                          func() { c.CRDs = v.CRDs },
		"grpc-address":                  func() { c.GRPCAddress = v.GRPCAddress },
		"metrics-address":               func() { c.MetricsAddress = v.MetricsAddress },
		"health-address":                func() { c.HealthAddress = v.HealthAddress },
		"reconcile-concurrency":         func() { c.ReconcileConcurrency = v.ReconcileConcurrency },
		"leader-election":               func() { c.Features.LeaderElection = v.Features.LeaderElection },
		"hpa":                           func() { c.Features.HPA = v.Features.HPA },
		"knative":                       func() { c.Features.Knative = v.Features.Knative },
		"odgm-image":                    func() { c.ODGM.Image = v.ODGM.Image },
		"odgm-probe":                    func() { c.ODGM.Probe = v.ODGM.Probe },
		"template-batch-size":           func() { c.Templates.BatchSize = v.Templates.BatchSize },
		"max-replicas":                  func() { c.Limits.MaxReplicas = v.Limits.MaxReplicas },
		"mtls":                          func() { c.Security.MTLS = v.Security.MTLS },
		"tls-cert-file":                 func() { c.Security.TLSCertFile = v.Security.TLSCertFile },
		"tls-key-file":                  func() { c.Security.TLSKeyFile = v.Security.TLSKeyFile },
		"client-ca-file":                func() { c.Security.ClientCAFile = v.Security.ClientCAFile },
		"allowed-names":                 func() { c.Security.AllowedNames = slices.Clone(v.Security.AllowedNames) },
	} {
		if f.set.Changed(name) {
			apply()
		}
	}
}

// Validate checks each setting and whether they fit together.
func (c Config) Validate() error {
	var problems []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	check(slices.Contains([]Profile{ProfileFull, ProfileEdge, ProfileDev}, c.Profile), "PROFILE is %q: use full, edge or dev", c.Profile)
	check(slices.Contains([]LogLevel{LogInfo, LogDebug}, c.Log), "LOG is %q: use info or debug", c.Log)
	check(slices.Contains([]CRDMode{CRDsApply, CRDsCheck}, c.CRDs), "CRDS is %q: use apply or check", c.CRDs)
	checkNamespace(check, c.K8sNamespace)
	checkAddress(check, "GRPC_ADDRESS", c.GRPCAddress, false)
	checkAddress(check, "METRICS_ADDRESS", c.MetricsAddress, true)
	checkAddress(check, "HEALTH_ADDRESS", c.HealthAddress, true)
	checkListeners(check, c)
	check(c.ReconcileConcurrency >= 1 && c.ReconcileConcurrency <= 64, "RECONCILE_CONCURRENCY is %d: use 1 to 64", c.ReconcileConcurrency)
	check(c.Limits.MaxReplicas >= 1 && c.Limits.MaxReplicas <= 1000, "LIMITS_MAX_REPLICAS is %d: use 1 to 1000", c.Limits.MaxReplicas)

	check(c.Templates.BatchSize >= 1 && c.Templates.BatchSize <= 1000, "TEMPLATES_BATCH_SIZE is %d: use 1 to 1000", c.Templates.BatchSize)
	checkImage(check, "ODGM_IMAGE", c.ODGM.Image)

	s := c.Security
	check((s.TLSCertFile == "") == (s.TLSKeyFile == ""), "SECURITY_TLS_CERT_FILE and SECURITY_TLS_KEY_FILE belong together: set both or none")
	check(!s.MTLS || s.TLSCertFile != "", "SECURITY_MTLS is on without SECURITY_TLS_CERT_FILE: set it or turn SECURITY_MTLS off")
	check(!s.MTLS || s.ClientCAFile != "", "SECURITY_MTLS is on without SECURITY_CLIENT_CA_FILE: set it or turn SECURITY_MTLS off")
	check(!s.MTLS || (len(s.AllowedNames) > 0 && !slices.Contains(s.AllowedNames, "")), "SECURITY_ALLOWED_NAMES has an empty name: name the callers")
	check(s.ClientCAFile == "" || s.MTLS, "SECURITY_CLIENT_CA_FILE is set while SECURITY_MTLS is off: turn it on or unset the file")
	// Tokens are passwords: outside a developer's machine they must not travel in
	// the clear.
	check(c.Profile == ProfileDev || s.TLSCertFile != "", "PROFILE %s needs SECURITY_TLS_CERT_FILE and SECURITY_TLS_KEY_FILE: set them or use dev", c.Profile)
	checkReport(check, c.Report, s)
	checkWebhook(check, c.Webhook)
	checkPrometheus(check, c)
	checkEnforcement(check, c)
	if len(problems) > 0 {
		return errors.New("configuration: " + strings.Join(problems, "; "))
	}
	return nil
}
