package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/cmd/internal/keys"
	"catena/cmd/internal/lifecycle"
	"catena/objectd/client"
	"catena/s3api"
	"catena/s3api/cluster"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/sigv4"
)

// gateway is the S3 side of the process.
type gateway struct {
	r       *role
	backend *cluster.Cluster
	server  *edge.Server
	lns     []net.Listener
}

func (r *role) addGateway() {
	g := &gateway{r: r}
	r.Group.Add(lifecycle.Part{Name: "gateway", Start: g.start, Stop: g.stop})
}

func (g *gateway) start(ctx context.Context) error {
	if err := g.r.masters.WaitReady(ctx); err != nil {
		return err
	}
	log := slog.New(edge.LogHandler(g.r.Log.Handler())) // each line with the id of its request
	var err error
	g.backend, err = cluster.New(cluster.Config{
		Index: g.r.client, Chunks: chunks{g.r.client}, Logger: log, HoldBudget: int64(g.r.Config.BodyMemory),
	})
	if err != nil {
		return err
	}
	api, err := s3api.New(s3api.Config{
		Backend: g.backend, Region: g.r.Config.Region, Logger: log, Registerer: g.r.Metrics, TokenKey: g.r.Keys.NodeSecret[:],
	})
	if err != nil {
		return err
	}
	if g.server, err = edge.New(g.edgeConfig(api)); err != nil {
		return err
	}
	for _, addr := range g.r.Config.S3 {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			g.close()
			return fmt.Errorf("S3 listener %s: %w", addr, err)
		}
		g.lns = append(g.lns, ln)
	}
	for _, ln := range g.lns {
		g.serve(ln)
	}
	go g.makeBuckets(context.WithoutCancel(ctx))
	return nil
}

func (g *gateway) serve(ln net.Listener) {
	if g.r.TLS != nil {
		// S3 is HTTP/1.1 here; the admin listener, which shares the
		// certificate, offers HTTP/2 too.
		t := g.r.TLS.Clone()
		t.NextProtos = []string{"http/1.1"}
		ln = tls.NewListener(ln, t)
	}
	go func() {
		if err := g.server.Serve(ln); err != nil && !errors.Is(err, net.ErrClosed) {
			g.r.Group.Fail(fmt.Errorf("S3 listener %s: %w", ln.Addr(), err))
		}
	}()
}

// close gives back the listeners of a start that failed.
func (g *gateway) close() {
	for _, ln := range g.lns {
		_ = ln.Close() // nothing was served on it
	}
}

// stop lets the requests in progress end.
func (g *gateway) stop(ctx context.Context) error { return g.server.Shutdown(ctx) }

func (g *gateway) edgeConfig(api *s3api.API) edge.Config {
	c := g.r.Config
	return edge.Config{
		Handler: api.Handle, Credentials: rootCredential{g.r.Keys}, Logger: g.r.Log, Observer: api.Observer(), Region: c.Region,
		Domains: c.Domains, TrustedProxies: c.TrustedProxies, RequireSignedPayload: c.RequireSignedPayload, RefuseSigV2: c.RefuseSigV2,
		MaxConns: c.MaxConnections, MaxRequests: c.MaxRequests, BodyTimeout: c.BodyTimeout,
	}
}

// makeBuckets makes the buckets that the settings ask for.
func (g *gateway) makeBuckets(ctx context.Context) {
	for _, name := range g.r.Config.Buckets {
		_, err := g.backend.CreateBucket(ctx, objects.Bucket{Name: name, Owner: ownerID(g.r.Keys), Created: time.Now()})
		switch {
		case err == nil:
			g.r.Log.Info("bucket made", "bucket", name)
		case objects.KindOf(err) != objects.KindBucketExists:
			g.r.Log.Error("a bucket of the settings cannot be made", "bucket", name, "err", err)
		}
	}
}

// rootCredential is the one pair of keys of this store.
type rootCredential struct{ keys keys.Keys }

// Lookup implements sigv4.CredentialStore.
func (c rootCredential) Lookup(access string) (sigv4.Credential, bool) {
	if access != c.keys.Access {
		return sigv4.Credential{}, false
	}
	return sigv4.Credential{SecretKey: c.keys.Secret, Principal: sigv4.Principal{
		AccessKey: access, ID: ownerID(c.keys), DisplayName: rootName,
	}}, true
}

// rootName is the display name of the account to which the first keys belong.
const rootName = "root"

// ownerID is the canonical id of that account. It belongs to the cluster, not
// to the keys: these may be replaced, and buckets keep their owner.
func ownerID(k keys.Keys) string {
	sum := sha256.Sum256(append([]byte("catena account root\x00"), k.NodeSecret[:]...))
	return hex.EncodeToString(sum[:])
}

// chunks gives the client's writers the gateway's name for them.
type chunks struct{ *client.Client }

// Create implements cluster.Chunks.
func (c chunks) Create(ctx context.Context, h data.Header, avoid []chain.ChainID) (cluster.ChunkWriter, error) {
	w, err := c.Client.Create(ctx, h, avoid)
	if err != nil {
		return nil, err
	}
	return w, nil
}
