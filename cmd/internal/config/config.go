package config

import (
	"net/netip"
	"time"
)

// Config is every setting of `catena server`, with its meaning. The zero value
// is not useful: start from Default.
type Config struct {
	// Dirs are the data directories, one store each.
	Dirs []string
	// S3 are the addresses of the S3 listener, host:port.
	S3 []string
	// Admin is the address of the admin listener (health, metrics, profiling).
	Admin string
	// Domains are host suffixes: BUCKET.DOMAIN is virtual-host style.
	Domains []string
	// Region is the region that the store says it is in.
	Region string
	// TrustedProxies are the peers whose X-Forwarded-* headers count.
	TrustedProxies []netip.Prefix

	// TLSCert and TLSKey are PEM files, read again when they change.
	TLSCert, TLSKey string
	// TLSSelfSigned makes a certificate and keeps it on the directories.
	TLSSelfSigned bool

	// RequireSignedPayload refuses UNSIGNED-PAYLOAD over plain HTTP.
	RequireSignedPayload bool
	// RefuseSigV2 refuses presigned URLs of Signature Version 2.
	RefuseSigV2 bool
	// AccessKey and SecretKey replace the stored ones; both or neither. After
	// Load they also hold what the ..._FILE settings named.
	AccessKey string
	SecretKey string
	// AccessKeyFile and SecretKeyFile name files with the keys.
	AccessKeyFile, SecretKeyFile string
	// Buckets are made at start when they do not exist.
	Buckets []string

	// DrainDelay is the time between "not ready" and the end of accepting.
	DrainDelay time.Duration
	// DrainTimeout bounds how long requests in flight may take to finish.
	DrainTimeout time.Duration

	// LogFormat is auto (text on a terminal, else JSON), text or json.
	LogFormat string
	// LogLevel is debug, info, warn or error.
	LogLevel string

	// ReleaseGrace is how long the bytes of a removed object stay on disk, for
	// readers that began before.
	ReleaseGrace time.Duration

	// Tablets and DataChains are those of a new cluster; later ones are in the
	// masters' log.
	Tablets, DataChains int

	// BodyTimeout is how long the body of an S3 request may stall.
	BodyTimeout time.Duration
	// MaxConnections bounds the connections of the S3 listener, all addresses.
	MaxConnections int
	// MaxRequests bounds the S3 requests that are worked on at once.
	MaxRequests int
	// BodyMemory bounds the bytes of request bodies held at once.
	BodyMemory Size
	// IndexCache is the block cache of one store's index.
	IndexCache Size
}

// Default is what holds without any setting.
func Default() Config {
	return Config{
		S3:             []string{"127.0.0.1:9000"},
		Admin:          "127.0.0.1:9001",
		DrainTimeout:   25 * time.Second,
		ReleaseGrace:   15 * time.Minute,
		Region:         "us-east-1",
		LogFormat:      "auto",
		LogLevel:       "info",
		Tablets:        12,
		DataChains:     32,
		BodyTimeout:    30 * time.Second,
		MaxConnections: 4096,
		MaxRequests:    512,
		BodyMemory:     256 << 20,
		IndexCache:     64 << 20,
	}
}

// setting is one line of the table: the only place that names it.
type setting struct {
	name  string
	usage string
	// secret values are masked, and have no flag: a command line can be read by
	// every process of the machine.
	secret bool
	// noFlag: the value is not given by a flag.
	noFlag bool
	// value points into a Config.
	value func(*Config) value
}

// settings is the table, in the order of help and of Print.
func settings() []setting {
	return []setting{
		{name: "dirs", noFlag: true, usage: "data directories, one store each (the arguments of `catena server`)", value: func(c *Config) value { return (*list)(&c.Dirs) }},
		{name: "s3", usage: "`address` of the S3 listener; several allowed", value: func(c *Config) value { return (*list)(&c.S3) }},
		{name: "admin", usage: "`address` of the admin listener: health, metrics, and profiling while on loopback", value: func(c *Config) value { return (*text)(&c.Admin) }},
		{name: "domain", usage: "`host` below which bucket names are host names (virtual-host style); several allowed", value: func(c *Config) value { return (*list)(&c.Domains) }},
		{name: "region", usage: "`name` of the region that the store says it is in; signatures for any region are good", value: func(c *Config) value { return (*text)(&c.Region) }},
		{name: "trusted-proxies", usage: "`CIDR` of proxies whose X-Forwarded-* headers count; several allowed", value: func(c *Config) value { return (*prefixes)(&c.TrustedProxies) }},
		{name: "tls-cert", usage: "PEM `file` with the certificate chain, for S3 and admin; read again when it changes", value: func(c *Config) value { return (*text)(&c.TLSCert) }},
		{name: "tls-key", usage: "PEM `file` with the certificate's private key", value: func(c *Config) value { return (*text)(&c.TLSKey) }},
		{name: "tls-self-signed", usage: "make a certificate and keep it on the directories", value: func(c *Config) value { return (*boolean)(&c.TLSSelfSigned) }},
		{name: "require-signed-payload", usage: "refuse UNSIGNED-PAYLOAD over plain HTTP", value: func(c *Config) value { return (*boolean)(&c.RequireSignedPayload) }},
		{name: "refuse-sigv2", usage: "refuse presigned URLs of Signature Version 2, which boto3 and aws CLI 1 make by default", value: func(c *Config) value { return (*boolean)(&c.RefuseSigV2) }},
		{name: "access-key", noFlag: true, usage: "access key; replaces the stored one", value: func(c *Config) value { return (*text)(&c.AccessKey) }},
		{name: "secret-key", noFlag: true, secret: true, usage: "secret key; replaces the stored one", value: func(c *Config) value { return (*text)(&c.SecretKey) }},
		{name: "access-key-file", usage: "`file` that holds the access key", value: func(c *Config) value { return (*text)(&c.AccessKeyFile) }},
		{name: "secret-key-file", usage: "`file` that holds the secret key", value: func(c *Config) value { return (*text)(&c.SecretKeyFile) }},
		{name: "buckets", usage: "`bucket` to make at start; several allowed", value: func(c *Config) value { return (*list)(&c.Buckets) }},
		{name: "drain-delay", usage: "at SIGTERM, `time` between not being ready and the end of accepting", value: func(c *Config) value { return (*duration)(&c.DrainDelay) }},
		{name: "drain-timeout", usage: "at SIGTERM, `time` that requests in flight have to finish", value: func(c *Config) value { return (*duration)(&c.DrainTimeout) }},
		{name: "release-grace", usage: "`time` that the bytes of a removed object stay on disk, for readers that began before", value: func(c *Config) value { return (*duration)(&c.ReleaseGrace) }},
		{name: "log-format", usage: "auto (text on a terminal, else json), text or json", value: func(c *Config) value { return (*text)(&c.LogFormat) }},
		{name: "log-level", usage: "debug, info, warn or error", value: func(c *Config) value { return (*text)(&c.LogLevel) }},
		{name: "tablets", usage: "index tablets of a new cluster", value: func(c *Config) value { return (*integer)(&c.Tablets) }},
		{name: "data-chains", usage: "data chains of a new cluster", value: func(c *Config) value { return (*integer)(&c.DataChains) }},
		{name: "body-timeout", usage: "`time` that the body of an S3 request may stall", value: func(c *Config) value { return (*duration)(&c.BodyTimeout) }},
		{name: "max-connections", usage: "S3 connections at once", value: func(c *Config) value { return (*integer)(&c.MaxConnections) }},
		{name: "max-requests", usage: "S3 requests worked on at once", value: func(c *Config) value { return (*integer)(&c.MaxRequests) }},
		{name: "body-memory", usage: "`bytes` of request bodies held in memory at once (256MiB)", value: func(c *Config) value { return &c.BodyMemory }},
		{name: "index-cache", usage: "`bytes` of one store's index cache (64MiB)", value: func(c *Config) value { return &c.IndexCache }},
	}
}
