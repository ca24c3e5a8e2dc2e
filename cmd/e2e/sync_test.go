package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"catena/cmd/internal/harness"
	"catena/cmd/internal/syncaudit"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// TestEveryAckFollowsASync traces the server's system calls under 16 writers
// and proves for each 200 that the object's bytes were written to, and then
// synced in, all three directories before the answer was written.
func TestEveryAckFollowsASync(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	rep, err := auditedRun(t, bin)
	require.NoError(t, err)
	require.Equal(t, 16*20, rep.Acks)
	t.Logf("%d acknowledgements proven, %d writes, %d syncs", rep.Acks, rep.Writes, rep.Syncs)
}

// A build that acknowledges before the sync must be caught, or the audit
// proves nothing.
func TestAuditCatchesAckBeforeSync(t *testing.T) {
	requireStrace(t)
	bin, err := harness.Build(t.Context(), t.TempDir(), "mutant_ack_before_sync")
	require.NoError(t, err)
	_, err = auditedRun(t, bin)
	require.ErrorContains(t, err, "before a sync of its file")
}

func requireStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		if required {
			t.Fatal("strace is not installed")
		}
		t.Skip("strace is not installed")
	}
}

func auditedRun(t *testing.T, bin string) (syncaudit.Report, error) {
	requireStrace(t)
	root := t.TempDir()
	trace := filepath.Join(root, "trace")
	dirs := []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}
	log := &tail{}
	srv, err := harness.Start(context.Background(), harness.Options{
		Binary: bin, Dirs: dirs, Log: log, ReadyWithin: time.Minute,
		Wrap: []string{"strace", "-f", "--seccomp-bpf", "-y", "-s", "4194304", "-o", trace, "-e",
			"trace=read,readv,recvfrom,write,writev,pwrite64,pwritev,pwritev2,sendto,fdatasync,fsync"},
	})
	require.NoError(t, err, "%s", log)
	markers := markedWrites(t, srv)
	require.NoError(t, srv.Stop(time.Minute), "%s", log)
	f, err := os.Open(trace)
	require.NoError(t, err)
	defer f.Close()
	rep, err := syncaudit.Audit(f, dirs, markers)
	if keep := os.Getenv("CATENA_KEEP_TRACE"); keep != "" {
		require.NoError(t, os.Rename(trace, keep))
	}
	return rep, err
}

// markedWrites puts 320 objects of inline size from 16 writers, each with a
// unique marker of 64 bytes, and returns the markers.
func markedWrites(t *testing.T, srv *harness.Server) []string {
	t.Helper()
	client, err := minio.New(srv.S3, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, ""), Region: "us-east-1"})
	require.NoError(t, err)
	ctx := context.Background()
	require.NoError(t, client.MakeBucket(ctx, "marked", minio.MakeBucketOptions{}))
	var mu sync.Mutex
	var markers []string
	var errs []error
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				var id [32]byte
				_, _ = rand.Read(id[:])
				marker := hex.EncodeToString(id[:])
				body := append([]byte(marker), bytes.Repeat([]byte("."), 100*i)...)
				_, err := client.PutObject(ctx, "marked", fmt.Sprintf("%d/%d", w, i), bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
				mu.Lock()
				markers = append(markers, marker)
				if err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Empty(t, errs)
	return markers
}
