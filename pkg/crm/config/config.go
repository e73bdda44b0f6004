// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config holds the settings of the Class Runtime Manager. They come from
// flags, over environment variables, over a YAML file, over the defaults of a
// profile; a profile changes defaults and nothing else.
package config

// EnvPrefix starts the name of every environment variable that is a setting. A
// variable with the prefix that is no setting stops the start: it is a typing
// error or a setting of another version.
const EnvPrefix = "OPRC_CRM_"

// Profile selects defaults.
type Profile string

const (
	// ProfileFull is a cluster in a data centre: mutual TLS is on, Prometheus is needed.
	ProfileFull Profile = "full"
	// ProfileEdge is a small cluster: mutual TLS is optional, TLS is not.
	ProfileEdge Profile = "edge"
	// ProfileDev is a developer's machine: everyone who reaches the port may do
	// everything.
	ProfileDev Profile = "dev"
)

// CRDMode tells what to do about the custom resource definitions at start.
type CRDMode string

const (
	// CRDsApply brings them to the version of this program.
	CRDsApply CRDMode = "apply"
	// CRDsCheck changes nothing and fails when they are missing or older.
	CRDsCheck CRDMode = "check"
)

// LogLevel selects how much is logged.
type LogLevel string

const (
	// LogInfo logs what changed and what failed.
	LogInfo LogLevel = "info"
	// LogDebug logs every call and every pass as well.
	LogDebug LogLevel = "debug"
)

// Config are the settings. The yaml (json) names are those of the file, env names
// those of the variables without EnvPrefix.
type Config struct {
	// Profile selects the defaults of all others; dev unless set.
	Profile Profile `json:"profile" env:"PROFILE, overwrite"`
	// Log is the amount of logging; info unless set.
	Log LogLevel `json:"log" env:"LOG, overwrite"`
	// K8sNamespace holds all records and workloads. Empty puts each unit into the
	// namespace of its ClassDeployment.
	K8sNamespace string `json:"k8sNamespace" env:"K8S_NAMESPACE, overwrite"`
	// CRDs tells what to do about the custom resource definitions; apply unless set.
	CRDs CRDMode `json:"crds" env:"CRDS, overwrite"`
	// GRPCAddress is where the Package Manager calls; ":8081" unless set.
	GRPCAddress string `json:"grpcAddress" env:"GRPC_ADDRESS, overwrite"`
	// MetricsAddress serves /metrics; ":9090" unless set, "0" for none.
	MetricsAddress string `json:"metricsAddress" env:"METRICS_ADDRESS, overwrite"`
	// HealthAddress serves /healthz and /readyz; ":9091" unless set, "0" for none.
	HealthAddress string `json:"healthAddress" env:"HEALTH_ADDRESS, overwrite"`
	// ReconcileConcurrency is the number of records worked on at a time, 1 to 64; 8
	// unless set, 2 in edge.
	ReconcileConcurrency int `json:"reconcileConcurrency" env:"RECONCILE_CONCURRENCY, overwrite"`
	// Features are parts that can be turned off.
	Features Features `json:"features" env:", prefix=FEATURES_"`
	// Limits are the bounds that the cluster puts on every record.
	Limits Limits `json:"limits" env:", prefix=LIMITS_"`
	// ODGM is the data grid that runs beside classes with state.
	ODGM ODGM `json:"odgm" env:", prefix=ODGM_"`
	// Templates tells how a changed template reaches the records that use it.
	Templates Templates `json:"templates" env:", prefix=TEMPLATES_"`
	// Security tells who may call.
	Security Security `json:"security" env:", prefix=SECURITY_"`
	// Report tells whom to report to how units are doing.
	Report Report `json:"report" env:", prefix=REPORT_"`
	// Webhook lets the API server ask before it stores what concerns this program.
	Webhook Webhook `json:"webhook" env:", prefix=WEBHOOK_"`
	// Prometheus is where measurements are.
	Prometheus Prometheus `json:"prometheus" env:", prefix=PROM_"`
	// Enforcement bounds how records are changed to keep requirements.
	Enforcement Enforcement `json:"enforcement" env:", prefix=ENFORCEMENT_"`
}

// Prometheus is where measurements are.
type Prometheus struct {
	// URL of a server with the HTTP API of Prometheus, http or https, with the path
	// that stands before /api/v1. It may hold a user and a password, which are sent to
	// that server and shown nowhere. Empty, as it is unless set, uses none.
	URL string `json:"url" env:"URL, overwrite"`
}

// Enforcement bounds how records are changed to keep requirements. This version
// changes none for their sake: the settings are checked and have no effect yet.
type Enforcement struct {
	// CooldownSecs is how long a record is left alone after it was changed, in seconds,
	// 10 to 3600; 120 unless set, 60 in full.
	CooldownSecs int `json:"cooldownSecs" env:"COOLDOWN_SECS, overwrite"`
	// MaxReplicaDelta bounds by how many of its replicas a function grows or shrinks at
	// a time, in percent, 1 to 100; 30 unless set. One replica is always possible.
	MaxReplicaDelta int `json:"maxReplicaDelta" env:"MAX_REPLICA_DELTA, overwrite"`
}

// Webhook lets the API server ask before it stores templates, environments and
// records. The program registers itself in the ValidatingWebhookConfiguration
// oaas-crm; while it does not answer, everything is stored, and what is wrong shows
// in status.
type Webhook struct {
	// Address is where the API server asks. Empty, as it is unless set, turns webhooks
	// off.
	Address string `json:"address" env:"ADDRESS, overwrite"`
	// URL is how the API server reaches Address, https://host:port; empty goes through
	// Service.
	URL string `json:"url" env:"URL, overwrite"`
	// Service is the Service in the program's namespace whose port 443 leads to
	// Address; oaas-crm unless set.
	Service string `json:"service" env:"SERVICE, overwrite"`
}

// Features are parts that can be turned off.
type Features struct {
	// LeaderElection lets several copies run: all answer calls, one reconciles. On
	// unless set.
	LeaderElection bool `json:"leaderElection" env:"LEADER_ELECTION, overwrite"`
	// HPA lets templates make a HorizontalPodAutoscaler where the greatest number of
	// replicas exceeds the least. On in full and edge, off in dev unless set.
	HPA bool `json:"hpa" env:"HPA, overwrite"`
	// Knative lets records run as Knative Services on a cluster that has them. On in
	// full unless set.
	Knative bool `json:"knative" env:"KNATIVE, overwrite"`
	// Prometheus uses the server of Prometheus.URL. On unless set in full, which does
	// not start without a URL then; elsewhere on where there is a URL.
	Prometheus bool `json:"prometheus" env:"PROMETHEUS, overwrite"`
	// NFREnforcement lets records be changed to keep their requirements. It needs
	// Prometheus: on in full and edge where there is a Prometheus.URL, off elsewhere
	// unless set. This version changes no record for their sake: the setting is checked
	// and has no effect yet.
	NFREnforcement bool `json:"nfrEnforcement" env:"NFR_ENFORCEMENT, overwrite"`
	// Profiling serves Go's profiles under /debug/pprof of MetricsAddress. Off unless
	// set: whoever reaches the port can then make the program work.
	Profiling bool `json:"profiling" env:"PROFILING, overwrite"`
}

// ODGM is the data grid that runs beside classes with state.
type ODGM struct {
	// Image of the data grid where an environment names none. Empty, as it is unless
	// set, runs classes with state without a grid.
	Image string `json:"image" env:"IMAGE, overwrite"`
	// Probe asks the nodes of grids how they are. On unless set; where the program
	// cannot reach pods, or pods are simulated, their readiness has to do.
	Probe bool `json:"probe" env:"PROBE, overwrite"`
}

// Templates tells how a changed template reaches the records that use it.
type Templates struct {
	// BatchSize is the number of records that take a changed template at a time, 1 to
	// 1000; 10 unless set. The next follow when these are healthy.
	BatchSize int `json:"batchSize" env:"BATCH_SIZE, overwrite"`
}

// Limits are the bounds that the cluster puts on every record.
type Limits struct {
	// MaxReplicas caps the replicas of each function, 1 to 1000; 20 unless set, 50
	// in full.
	MaxReplicas int32 `json:"maxReplicas" env:"MAX_REPLICAS, overwrite"`
}

// Security tells who may call.
type Security struct {
	// MTLS asks callers for a certificate that ClientCAFile signed, with a name of
	// AllowedNames; on in full.
	MTLS bool `json:"mtls" env:"MTLS, overwrite"`
	// TLSCertFile is the certificate that the gRPC server shows. It and the key are
	// read again when they change.
	TLSCertFile string `json:"tlsCertFile" env:"TLS_CERT_FILE, overwrite"`
	// TLSKeyFile is the key of TLSCertFile.
	TLSKeyFile string `json:"tlsKeyFile" env:"TLS_KEY_FILE, overwrite"`
	// ClientCAFile holds the authorities that sign callers' certificates.
	// It is read again when it changes.
	ClientCAFile string `json:"clientCAFile" env:"CLIENT_CA_FILE, overwrite"`
	// AllowedNames are the common names or subject alternative names of callers;
	// oaas-package-manager unless set.
	AllowedNames []string `json:"allowedNames" env:"ALLOWED_NAMES, overwrite"`
}

// Report tells whom to report to how units are doing. The certificate or token is
// how the Package Manager knows for which cluster the report is.
type Report struct {
	// Endpoint is the Package Manager's gRPC server, host:port. Empty, as it is unless
	// set, reports to nobody.
	Endpoint string `json:"endpoint" env:"ENDPOINT, overwrite"`
	// Cluster is the name of the Cluster object that stands for this cluster.
	Cluster string `json:"cluster" env:"CLUSTER, overwrite"`
	// CAFile holds the authorities that sign the Package Manager's certificate; empty
	// uses the system's.
	CAFile string `json:"caFile" env:"CA_FILE, overwrite"`
	// ServerName is the name in the Package Manager's certificate; empty uses the host
	// of Endpoint.
	ServerName string `json:"serverName" env:"SERVER_NAME, overwrite"`
	// CertFile and KeyFile are the certificate to show; empty shows the one of
	// Security, with which the gRPC server is known already.
	CertFile string `json:"certFile" env:"CERT_FILE, overwrite"`
	KeyFile  string `json:"keyFile" env:"KEY_FILE, overwrite"`
	// TokenFile holds a bearer token to send instead. It is read again for each call.
	TokenFile string `json:"tokenFile" env:"TOKEN_FILE, overwrite"`
	// IntervalSecs is how often everything is reported, in seconds, 5 to 3600; 30
	// unless set, 60 in edge. Changes are reported within a second.
	IntervalSecs int `json:"intervalSecs" env:"INTERVAL_SECS, overwrite"`
}

// Defaults returns the settings of a profile that nothing overrides; those of dev
// for a profile that is not known, which Validate refuses.
func Defaults(profile Profile) Config {
	c := Config{
		Profile:              profile,
		Log:                  LogInfo,
		CRDs:                 CRDsApply,
		GRPCAddress:          ":8081",
		MetricsAddress:       ":9090",
		HealthAddress:        ":9091",
		ReconcileConcurrency: 8,
		Features:             Features{LeaderElection: true},
		Limits:               Limits{MaxReplicas: 20},
		ODGM:                 ODGM{Probe: true},
		Templates:            Templates{BatchSize: 10},
		Security:             Security{AllowedNames: []string{"oaas-package-manager"}},
		Report:               Report{IntervalSecs: 30},
		Webhook:              Webhook{Service: "oaas-crm"},
		Enforcement:          Enforcement{CooldownSecs: 120, MaxReplicaDelta: 30},
	}
	switch profile {
	case ProfileFull:
		c.Limits.MaxReplicas = 50
		c.Enforcement.CooldownSecs = 60
		c.Features.Prometheus = true
		c.Features.HPA, c.Features.Knative = true, true
		c.Security.MTLS = true
	case ProfileEdge:
		c.Features.HPA = true
		c.ReconcileConcurrency = 2
		c.Report.IntervalSecs = 60
	case ProfileDev:
	}
	return c
}

// NeedsPrometheus tells whether the program is not ready while Prometheus does not
// answer; otherwise it only says so.
func (c Config) NeedsPrometheus() bool {
	return c.Profile == ProfileFull && c.Features.Prometheus
}

// withPrometheus changes defaults to those of a program that is told the URL of a
// Prometheus.
func (c Config) withPrometheus() Config {
	c.Features.Prometheus = true
	c.Features.NFREnforcement = c.Profile == ProfileFull || c.Profile == ProfileEdge
	return c
}
