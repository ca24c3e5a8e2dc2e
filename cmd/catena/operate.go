package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/config"
	"catena/cmd/internal/tlsconf"
)

// operating are the flags of a command that talks to a running server's admin
// listener: where it is, and with which keys.
type operating struct {
	env     environment
	s       *settings
	dir, ca string
	timeout time.Duration
}

// operatingHelp ends the long text of each of these commands.
const operatingHelp = "\n\n" +
	"It asks a running server's admin listener, found by the same flags, environment and file as the server's, and signs\n" +
	"with the cluster's keys: CATENA_ACCESS_KEY and CATENA_SECRET_KEY (or ..._FILE), or those that --dir DIR keeps."

func addOperating(c *cobra.Command, env environment) *operating {
	o := &operating{env: env}
	o.s = addSettings(c, env, "admin", "tls-cert", "tls-key", "tls-self-signed", "access-key-file", "secret-key-file")
	c.Flags().StringVar(&o.dir, "dir", "", "data `directory` that keeps the keys (and, with --tls-self-signed, the certificate)")
	c.Flags().StringVar(&o.ca, "tls-ca", "", "PEM `file` with the certificates to trust; https is used")
	c.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to wait for an answer")
	return o
}

// client puts together where to ask and how to sign.
func (o *operating) client() (admin.Client, error) {
	l, err := o.s.load(nil)
	if err != nil {
		return admin.Client{}, usage(err)
	}
	c := admin.Client{Addr: l.Admin, Access: l.AccessKey, Secret: l.SecretKey, Now: time.Now}
	dirs := l.Dirs
	if o.dir != "" {
		dirs = []string{o.dir}
	}
	if c.Access == "" || o.dir != "" {
		if len(dirs) == 0 {
			return admin.Client{}, usage(errors.New("no keys: set CATENA_ACCESS_KEY and CATENA_SECRET_KEY, or name a data directory with --dir"))
		}
		k, err := readKeys(dirs)
		if err != nil {
			return admin.Client{}, err
		}
		c.Access, c.Secret = k.Access, k.Secret
	}
	c.TLS, err = o.tls(l.Config, dirs)
	return c, err
}

// tls is nil for plain HTTP. Unlike a health check, what is said here counts, so
// the server's certificate is always verified: by --tls-ca, by the self-signed
// one that a directory keeps, or by the machine's authorities.
func (o *operating) tls(c config.Config, dirs []string) (*tls.Config, error) {
	switch {
	case o.ca != "":
		return trusting(o.ca)
	case c.TLSSelfSigned:
		for _, d := range dirs {
			if file := filepath.Join(d, tlsconf.SelfSignedCert); exists(file) {
				return trusting(file)
			}
		}
		return nil, usage(fmt.Errorf("the server's certificate is self-signed: name the file with --tls-ca, "+
			"or a directory that has %s with --dir", tlsconf.SelfSignedCert))
	case c.TLSCert != "":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	return nil, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func trusting(file string) (*tls.Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, usage(fmt.Errorf("tls-ca: %s holds no PEM certificate", file))
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// ask calls within the timeout. A refusal is told as it is.
func (o *operating) ask(ctx context.Context, call func(context.Context, admin.Client) error) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	err = call(ctx, c)
	var no *admin.Refusal
	var bad *usageError
	switch {
	case err == nil || errors.As(err, &bad):
		return err
	case errors.As(err, &no):
		return fmt.Errorf("refused: %w", err)
	}
	return fmt.Errorf("admin listener %s: %w", c.Addr, err)
}
