package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"catena/cmd/internal/admin"
)

func healthcheckCommand(env environment) *cobra.Command {
	var s *settings
	var timeout time.Duration
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask this machine's server whether it is ready (for container images)",
		Long: "Ask /readyz of the admin listener, found by the same flags, environment and file as the server's.\n" +
			"The exit code is 0 when it is ready, 1 when not.",
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := s.load(nil)
			if err != nil {
				return usage(err)
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			if err := admin.Check(ctx, l.Admin, l.TLSSelfSigned || l.TLSCert != ""); err != nil {
				return fmt.Errorf("not ready: %w", err)
			}
			fmt.Fprintln(env.stdout, "ready")
			return nil
		},
	}
	s = addSettings(c, env, "admin", "tls-cert", "tls-key", "tls-self-signed")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	return c
}
