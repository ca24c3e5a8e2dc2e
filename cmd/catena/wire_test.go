package main

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"catena/chain"
	"catena/chain/tablet"
	"catena/cmd/internal/config"
	"catena/cmd/internal/identity"
	"catena/cmd/internal/lifecycle"
	"catena/objectd/vfs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// Masters and stores of one process come up, and a tablet orders and answers.
func TestMastersAndStores(t *testing.T) {
	root := t.TempDir()
	dirs := []string{root + "/d1", root + "/d2", root + "/d3"}
	set, err := identity.Open(identity.Config{Dirs: dirs})
	require.NoError(t, err)
	defer set.Close()
	require.NoError(t, set.Form())
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ready := newReadiness()
	r := &role{fs: vfs.NewOS(), roleEnv: roleEnv{
		Operator: &operator{}, Config: config.Default(), Identity: set, Log: log,
		Metrics: prometheus.NewRegistry(), Group: lifecycle.NewGroup(log), SetReady: ready.set,
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// The admin listener asks from the first moment on.
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for ready.ask(ctx) != nil && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}()
	require.NoError(t, r.startMasters(ctx))
	require.NoError(t, r.startStores(ctx))
	require.NoError(t, r.masters.WaitReady(ctx))
	<-asked
	require.NoError(t, ctx.Err(), "it never said ready")
	cmd := tablet.Command{Op: chain.OpID{1}, Action: &tablet.Empty{}}
	a, err := r.client.Do(ctx, cmd.Owner(), cmd)
	require.NoError(t, err)
	t.Log(a.Status, a.Time)
	require.NoError(t, r.node.Stop())
	require.NoError(t, r.masters.Close())
}
