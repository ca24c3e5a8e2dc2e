package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/config"
	"catena/cmd/internal/dirfile"
	"catena/cmd/internal/identity"
	"catena/cmd/internal/keys"
	"catena/cmd/internal/lifecycle"
	"catena/cmd/internal/tlsconf"
)

func serverCommand(env environment) *cobra.Command {
	var s *settings
	c := &cobra.Command{
		Use: "server DIR...", Short: "Serve S3 from one store per directory, replicated over chains across them",
		Long: "Run masters, one store per DIR and the S3 gateway in one process.\n" +
			"Each flag has an environment variable, named in brackets, and a key of the same name in the file of --config;\n" +
			"flag comes before environment, environment before file. `catena config` shows what is in effect.",
		RunE: func(c *cobra.Command, args []string) error {
			l, err := s.load(args)
			if err := errors.Join(l.CheckServer(), err); err != nil {
				return usage(err)
			}
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			return serve(c.Context(), env, l, signals)
		},
	}
	s = addSettings(c, env)
	return c
}

// roleEnv is everything that serverRole needs. What it starts it adds to Group.
type roleEnv struct {
	Config config.Config
	// Identity holds the DIRs, locked, and the record of all stores.
	Identity *identity.Set
	Keys     keys.Keys
	// TLS is for the S3 listeners; nil for plain HTTP.
	TLS     *tls.Config
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Group takes parts in the order of their start; they stop in reverse.
	// Group.Fail ends the process in order.
	Group *lifecycle.Group
	// Operator is told when the role can be shown and commanded.
	Operator *operator
	// SetReady gives /readyz its question: a map is known and some tail answers.
	SetReady func(func(context.Context) error)
}

// serve is the life of a server, from the directories to the last stop.
func serve(ctx context.Context, env environment, l config.Loaded, signals <-chan os.Signal) error {
	log, err := newLogger(env, l.Config)
	if err != nil {
		return usage(err)
	}
	log.Info("catena starts", "version", versionLine(), "pid", os.Getpid())
	for _, w := range l.Warnings {
		log.Warn(w)
	}
	if err := checkAddresses(l.Config); err != nil {
		return err
	}
	set, k, err := openDirs(log, l.Config)
	if err != nil {
		return err
	}
	defer set.Close()

	ready := newReadiness()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	group := lifecycle.NewGroup(log)
	serverTLS, err := addTLS(group, log, l.Config, set.Dirs())
	if err != nil {
		return err
	}
	operator := &operator{}
	api, err := admin.NewAPI(admin.APIConfig{Cluster: operator, Credentials: rootCredential{k.Keys}, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	if err := addAdmin(group, admin.Config{Addr: l.Admin, TLS: serverTLS, Log: log, Metrics: reg, Ready: ready.ask, API: api}); err != nil {
		return err
	}
	serverRole(roleEnv{
		Config: l.Config, Identity: set, Keys: k.Keys, TLS: serverTLS, Log: log, Metrics: reg, Group: group,
		Operator: operator, SetReady: ready.set,
	})
	err = group.Run(ctx, lifecycle.Options{
		Signals: signals, DrainDelay: l.DrainDelay, DrainTimeout: l.DrainTimeout,
		NotReady: ready.draining,
		Started:  func() { announce(env, log, l.Config, set, k) },
	})
	if err == nil {
		log.Info("catena stopped")
	}
	return err
}

// openDirs decides about the DIRs, makes or reads the keys, and ends a first
// start: keys are on every DIR before the record says that it is formed.
func openDirs(log *slog.Logger, c config.Config) (*identity.Set, keys.Decision, error) {
	set, err := identity.Open(identity.Config{Dirs: c.Dirs})
	if err != nil {
		return nil, keys.Decision{}, err
	}
	p := set.Plan()
	for _, n := range p.Notes {
		if len(p.Lost)+len(p.Ignored) > 0 {
			log.Warn(n)
		} else {
			log.Info(n)
		}
	}
	k, err := keys.Load(dirfile.OS{}, set.Dirs(), c.Pair(), p.Fresh)
	if err == nil {
		err = set.Form()
	}
	if err != nil {
		set.Close()
		return nil, keys.Decision{}, err
	}
	for _, n := range k.Notes {
		log.Warn(n)
	}
	r := set.Record()
	log.Info("directories opened",
		"cluster", r.Cluster, "node", r.Node, "generation", r.Generation, "used", set.Dirs(), "voters", len(r.Voters()))
	return set, k, nil
}

// addTLS gives the listeners' configuration; nil when there is none.
func addTLS(group *lifecycle.Group, log *slog.Logger, c config.Config, dirs []string) (*tls.Config, error) {
	cert, key := c.TLSCert, c.TLSKey
	if c.TLSSelfSigned {
		var made bool
		var err error
		s := tlsconf.SelfSigned{Dirs: dirs, Hosts: certHosts(c), Now: time.Now()}
		if cert, key, made, err = s.LoadOrMake(); err != nil {
			return nil, err
		}
		log.Info("self-signed certificate", "file", cert, "made", made)
	}
	if cert == "" {
		return nil, nil
	}
	files, err := tlsconf.Load(tlsconf.Config{CertFile: cert, KeyFile: key, Log: log})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	hup := make(chan os.Signal, 1)
	group.Add(lifecycle.Part{
		Name: "certificate",
		Start: func(context.Context) error {
			signal.Notify(hup, syscall.SIGHUP)
			go files.Watch(ctx, hup)
			return nil
		},
		Stop: func(context.Context) error { signal.Stop(hup); cancel(); return nil },
	})
	return files.TLS(), nil
}

// certHosts are the names of a self-signed certificate: this machine's, the
// addresses that are listened on, and the domains with their buckets.
func certHosts(c config.Config) (hosts []string) {
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	for _, addr := range append([]string{c.Admin}, c.S3...) {
		host, _, err := net.SplitHostPort(addr)
		ip := net.ParseIP(host)
		if err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
			hosts = append(hosts, host)
		}
	}
	for _, d := range c.Domains {
		hosts = append(hosts, d, "*."+d)
	}
	return hosts
}

func addAdmin(group *lifecycle.Group, c admin.Config) error {
	s, err := admin.New(c)
	if err != nil {
		return err
	}
	group.Add(lifecycle.Part{Name: "admin", Start: func(context.Context) error { return s.Start(group.Fail) }, Stop: s.Stop})
	return nil
}

// readiness is the answer of /readyz over a process's life.
type readiness struct {
	question atomic.Pointer[func(context.Context) error]
	// stopping is final: a part that reports late must not make it ready again.
	stopping atomic.Bool
}

func newReadiness() *readiness {
	r := &readiness{}
	r.set(func(context.Context) error { return errors.New("starting") })
	return r
}

func (r *readiness) set(f func(context.Context) error) { r.question.Store(&f) }

func (r *readiness) draining() { r.stopping.Store(true) }

func (r *readiness) ask(ctx context.Context) error {
	if r.stopping.Load() {
		return errors.New("stopping")
	}
	return (*r.question.Load())(ctx)
}

// announce says that it serves. Secrets are shown only to a person at a
// terminal, and only when they were just made.
func announce(env environment, log *slog.Logger, c config.Config, set *identity.Set, k keys.Decision) {
	keyFile := filepath.Join(set.Dirs()[0], keys.FileName)
	log.Info("catena serves", "s3", c.S3, "admin", c.Admin, "access_key", k.Keys.Access, "keys", string(k.Source), "keys_file", keyFile)
	if k.Source != keys.Made || !env.stdoutIsTerminal {
		return
	}
	scheme, extra := "http", ""
	if c.TLSCert != "" || c.TLSSelfSigned {
		scheme = "https"
	}
	if c.TLSSelfSigned {
		extra = fmt.Sprintf("  export AWS_CA_BUNDLE=%s\n", shellQuote(filepath.Join(set.Dirs()[0], tlsconf.SelfSignedCert)))
	}
	fmt.Fprintf(env.stdout, "\nA new store. Its keys are kept in %s (`catena keys %s` prints them again). Try it:\n\n"+
		"  export AWS_ACCESS_KEY_ID=%s\n  export AWS_SECRET_ACCESS_KEY=%s\n"+
		"  export AWS_DEFAULT_REGION=us-east-1\n  export AWS_ENDPOINT_URL=%s://%s\n%s"+
		"  aws s3 mb s3://first\n  echo hello | aws s3 cp - s3://first/hello.txt\n  aws s3 ls s3://first\n\n",
		keyFile, shellQuote(set.Dirs()[0]), k.Keys.Access, k.Keys.Secret, scheme, clientAddress(c.S3[0]), extra)
}

// clientAddress is a listen address as a client on this machine uses it.
func clientAddress(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
