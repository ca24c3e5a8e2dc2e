package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"catena/cmd/internal/keys"
)

// Validate reports every problem of the settings at once.
func (c Config) Validate() error {
	var errs []error
	errs = append(errs, c.checkDirs()...)
	errs = append(errs, c.checkAddresses()...)
	errs = append(errs, c.checkTLS()...)
	errs = append(errs, c.checkKeys()...)
	errs = append(errs, c.checkNames()...)
	errs = append(errs, c.checkNumbers()...)
	return errors.Join(errs...)
}

// CheckServer wants what only a server needs, beside what Validate does.
func (c Config) CheckServer() error {
	if len(c.Dirs) == 0 {
		return errors.New("no data directory is given: catena server DIR...")
	}
	return nil
}

// checkDirs refuses a directory without a name: it would be the current one, and
// is an unset variable of a script more often than a wish.
func (c Config) checkDirs() (errs []error) {
	for i, d := range c.Dirs {
		if strings.TrimSpace(d) == "" {
			errs = append(errs, fmt.Errorf("directory %d of %d is given as %q, which names none (write . for the current directory)", i+1, len(c.Dirs), d))
		}
	}
	return errs
}

func (c Config) checkAddresses() (errs []error) {
	if len(c.S3) == 0 {
		errs = append(errs, errors.New("s3: no address"))
	}
	seen := map[string]string{}
	check := func(name, addr string) {
		if err := checkAddress(addr); err != nil {
			errs = append(errs, fmt.Errorf("%s: address %q: %w", name, addr, err))
			return
		}
		if other, ok := seen[addr]; ok && !strings.HasSuffix(addr, ":0") {
			errs = append(errs, fmt.Errorf("%s: address %s is used by %s already", name, addr, other))
		}
		seen[addr] = name
	}
	for _, a := range c.S3 {
		check("s3", a)
	}
	check("admin", c.Admin)
	return errs
}

func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("want host:port, like 127.0.0.1:9000 or [::]:9000")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port must be a number from 0 to 65535")
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" || isHostName(host) {
		return nil
	}
	return errors.New("the host is neither an IP address nor a host name")
}

// isHostName accepts lower-case DNS names.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func (c Config) checkTLS() (errs []error) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("tls-cert and tls-key belong together: give both or neither"))
	}
	if c.TLSSelfSigned && c.TLSCert != "" {
		errs = append(errs, errors.New("tls-self-signed and tls-cert exclude each other"))
	}
	return errs
}

func (c Config) checkKeys() (errs []error) {
	hasAccess, hasSecret := c.AccessKey != "" || c.AccessKeyFile != "", c.SecretKey != "" || c.SecretKeyFile != ""
	if hasAccess != hasSecret {
		errs = append(errs, errors.New("access-key and secret-key belong together: give both or neither"))
	}
	if c.AccessKey != "" {
		errs = append(errs, keys.ValidateAccess(c.AccessKey))
	}
	if c.SecretKey != "" {
		errs = append(errs, keys.ValidateSecret(c.SecretKey))
	}
	return errs
}

func (c Config) checkNames() (errs []error) {
	for i, d := range c.Domains {
		_, ipErr := netip.ParseAddr(d)
		switch {
		case ipErr == nil || !isHostName(d):
			errs = append(errs, fmt.Errorf("domain: %q is not a host name in lower case", d))
		case slices.Contains(c.Domains[:i], d):
			errs = append(errs, fmt.Errorf("domain: %q is given twice", d))
		}
	}
	if len(c.Region) > 63 || !isHostName(c.Region) || strings.Contains(c.Region, ".") {
		errs = append(errs, fmt.Errorf("region: %q is not a region name (lower-case letters, digits and '-')", c.Region))
	}
	for i, b := range c.Buckets {
		_, ipErr := netip.ParseAddr(b)
		switch {
		case len(b) < 3 || len(b) > 63 || ipErr == nil || !isHostName(b):
			errs = append(errs, fmt.Errorf("buckets: %q is not a bucket name (3 to 63 lower-case letters, digits, '-' and '.')", b))
		case slices.Contains(c.Buckets[:i], b):
			errs = append(errs, fmt.Errorf("buckets: %q is given twice", b))
		}
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.LogFormat) {
		errs = append(errs, fmt.Errorf("log-format: %q is none of auto, text, json", c.LogFormat))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		errs = append(errs, fmt.Errorf("log-level: %q is none of debug, info, warn, error", c.LogLevel))
	}
	return errs
}

func (c Config) checkNumbers() (errs []error) {
	within := func(name string, n, low, high int) {
		if n < low || n > high {
			errs = append(errs, fmt.Errorf("%s: %d is not between %d and %d", name, n, low, high))
		}
	}
	within("tablets", c.Tablets, 1, 4096)
	within("data-chains", c.DataChains, 1, 4096)
	within("max-connections", c.MaxConnections, 1, 1<<20)
	within("max-requests", c.MaxRequests, 1, 1<<16)
	if c.DrainDelay < 0 {
		errs = append(errs, fmt.Errorf("drain-delay: %s is negative", c.DrainDelay))
	}
	if c.DrainTimeout <= 0 {
		errs = append(errs, fmt.Errorf("drain-timeout: %s is not above 0", c.DrainTimeout))
	}
	if c.ReleaseGrace < time.Second {
		errs = append(errs, fmt.Errorf("release-grace: %s is below 1s", c.ReleaseGrace))
	}
	if c.BodyTimeout <= 0 {
		errs = append(errs, fmt.Errorf("body-timeout: %s is not above 0", c.BodyTimeout))
	}
	if c.BodyMemory < 32<<20 {
		errs = append(errs, fmt.Errorf("body-memory: %s is below 32MiB", c.BodyMemory))
	}
	if c.IndexCache < 1<<20 {
		errs = append(errs, fmt.Errorf("index-cache: %s is below 1MiB", c.IndexCache))
	}
	return errs
}

// Pair gives the keys of the environment; zero when there are none.
func (c Config) Pair() keys.Pair { return keys.Pair{Access: c.AccessKey, Secret: c.SecretKey} }
