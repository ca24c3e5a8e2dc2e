package clustersim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"catena/chain"
	"catena/objectd"
	"catena/objectd/vfs"
	"catena/s3api/objects"

	"github.com/stretchr/testify/require"
)

// rot changes one byte of a content wherever it stands in a disk's segments,
// and gives the number of places. Called again it undoes that.
func rot(t *testing.T, d *Disk, content []byte) (places int) {
	t.Helper()
	const at = 3 * stride // a whole piece that names itself
	seg := d.Name + "/store/seg"
	names, err := d.mem.List(seg)
	require.NoError(t, err)
	for _, name := range names {
		b, err := vfs.ReadFile(d.mem, vfs.Join(seg, name), 1<<30)
		require.NoError(t, err)
		for off := 0; ; {
			i := bytes.Index(b[off:], content[at:at+16])
			if i < 0 {
				break
			}
			off += i + 20
			f, err := d.mem.OpenRW(vfs.Join(seg, name))
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{b[off] ^ 0x40}, int64(off))
			require.NoError(t, err)
			require.NoError(t, f.Close())
			places++
		}
	}
	return places
}

var errNotYet = errors.New("not yet")

// await asks again and again until it is so.
func await(ctx context.Context, what string, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if nap(ctx, 10*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}
}

// damageTest runs a cluster with one object of a size.
func damageTest(t *testing.T, size int, run func(t *testing.T, ctx context.Context, c *Cluster, content []byte)) {
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{})
		require.NoError(t, c.Start(ctx))
		l := NewLedger()
		require.NoError(t, l.Prepare(ctx, c.Process()))
		content := Content(4711, size)
		_, err := c.Process().Put(ctx, l.Bucket(), "k", content, objects.Condition{})
		require.NoError(t, err)
		run(t, ctx, c, content)
		require.NoError(t, c.Stop())
	})
}

// get reads the object, which must have the right bytes if it can be read.
func get(t *testing.T, ctx context.Context, c *Cluster, content []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // a read tries until its context ends
	defer cancel()
	_, b, err := c.Process().Get(ctx, "ledger", "k")
	if err == nil {
		require.True(t, bytes.Equal(content, b), "wrong bytes were served")
	}
	return err
}

func sumStats(p *Process) (chunks, damaged, quarantined int) {
	for _, s := range p.Node.Stats() {
		chunks, damaged, quarantined = chunks+s.Chunks, damaged+s.Damaged, quarantined+s.Quarantined
	}
	return chunks, damaged, quarantined
}

func TestDamagedChunkIsReadElsewhereAndRepaired(t *testing.T) {
	damageTest(t, 100<<10, func(t *testing.T, ctx context.Context, c *Cluster, content []byte) {
		p := c.Process()
		for round, d := range c.Disks() { // head, middle and tail of the chunk's chain are among them
			require.Equal(t, 1, rot(t, d, content))
			for {
				require.NoError(t, get(t, ctx, c, content))
				if _, damaged, aside := sumStats(p); damaged > 0 || aside > round {
					break
				}
			}
			require.NoError(t, await(ctx, "the copy is repaired", func() error {
				if _, damaged, aside := sumStats(p); damaged != 0 || aside != round+1 {
					return errNotYet
				}
				return nil
			}))
			require.Equal(t, 2, rot(t, d, content), "the good copy, and the bad one for people")
			require.Equal(t, 2, rot(t, d, content)) // as it was
			require.NoError(t, p.Same(ctx), "every replica reads all its chunks")
			require.NoError(t, get(t, ctx, c, content))
		}
		require.NoError(t, c.Stop())
		require.NoError(t, c.Start(ctx))
		chunks, damaged, aside := sumStats(c.Process())
		require.Equal(t, []int{3, 0, 3}, []int{chunks, damaged, aside})
		require.NoError(t, c.Process().Same(ctx))
	})
}

func TestChunkDamagedEverywhereIsKept(t *testing.T) {
	damageTest(t, 100<<10, func(t *testing.T, ctx context.Context, c *Cluster, content []byte) {
		for _, d := range c.Disks() {
			require.Equal(t, 1, rot(t, d, content))
		}
		err := get(t, ctx, c, content)
		require.Error(t, err)
		require.NotEqual(t, objects.KindNoSuchKey, objects.KindOf(err))
		time.Sleep(time.Minute)
		require.Error(t, get(t, ctx, c, content))
		chunks, damaged, aside := sumStats(c.Process())
		require.Equal(t, []int{3, 3, 0}, []int{chunks, damaged, aside}, "nothing is dropped, nothing put aside")
		require.NoError(t, c.Process().WaitFull(ctx), "no replica left its chain")

		require.NoError(t, c.Stop())
		require.NoError(t, c.Start(ctx))
		require.Error(t, get(t, ctx, c, content))
		// One copy becomes readable again: the others are made from it.
		require.Equal(t, 1, rot(t, c.Disks()[1], content))
		p := c.Process()
		require.NoError(t, get(t, ctx, c, content))
		require.NoError(t, p.Same(ctx), "every replica reads all its chunks")
	})
}

// A damaged payload of a row is never served: its replica leaves the chain, and
// is filled again from the others.
func TestDamagedRowIsReadAfterItsReplicaLeft(t *testing.T) {
	for _, position := range []int{0, 1, 2} {
		damageTest(t, 9000, func(t *testing.T, ctx context.Context, c *Cluster, content []byte) {
			p := c.Process()
			at := rowChain(t, p, content)
			id := at.Serving[position]
			require.Equal(t, 1, rot(t, c.Disk(id.Store), content))
			if position < 2 {
				// Only the tail reads; a joiner's source, or who becomes tail, finds it later.
				require.NoError(t, get(t, ctx, c, content))
				return
			}
			began := time.Now()
			require.NoError(t, get(t, ctx, c, content))
			t.Logf("answered after %s", time.Since(began))
			require.Less(t, time.Since(began), 5*time.Second)
			require.NoError(t, await(ctx, "the damaged replica was replaced", func() error {
				cfg := p.Node.Map().Chains[at.Chain]
				if cfg.Member(id) || len(cfg.Serving) < 3 {
					return errNotYet
				}
				return nil
			}))
			require.NoError(t, p.WaitFull(ctx))
			require.NoError(t, p.Same(ctx))
			require.NoError(t, get(t, ctx, c, content))
		})
	}
}

func TestRowDamagedEverywhereIsRefused(t *testing.T) {
	damageTest(t, 9000, func(t *testing.T, ctx context.Context, c *Cluster, content []byte) {
		p := c.Process()
		other := Content(99, 15000)
		for i := range 100 { // the entry leaves the memory of the replicas
			_, err := p.Put(ctx, "ledger", fmt.Sprint("other", i), other, objects.Condition{})
			require.NoError(t, err)
		}
		for _, d := range c.Disks() {
			require.Equal(t, 1, rot(t, d, content))
		}
		for range 3 {
			require.Error(t, get(t, ctx, c, content))
			time.Sleep(20 * time.Second)
		}
		require.NoError(t, await(ctx, "the other rows are served", func() error {
			_, b, err := p.Get(ctx, "ledger", "other7")
			if err == nil && !bytes.Equal(other, b) {
				t.Error("wrong bytes")
			}
			return err
		}))
		for _, d := range c.Disks() { // every disk still has its copy
			require.Equal(t, 1, rot(t, d, content))
		}
		require.NoError(t, get(t, ctx, c, content))
		require.NoError(t, p.WaitFull(ctx))
		require.NoError(t, p.Same(ctx))
	})
}

// rowChain is the index chain that holds the content's body row.
func rowChain(t *testing.T, p *Process, content []byte) chain.Config {
	t.Helper()
	for _, cfg := range p.Node.Map().Chains {
		if cfg.Kind != chain.KindIndex {
			continue
		}
		found := false
		_, err := p.Node.Inspect(cfg.Chain, cfg.Tail(), func(it objectd.Item) bool {
			found = found || bytes.HasPrefix([]byte(it.Name), []byte{0x30}) // a body row
			return true
		})
		require.NoError(t, err)
		if found {
			return cfg
		}
	}
	require.Fail(t, "no chain has the body row")
	return chain.Config{}
}

// What a disk that was away still has, and the others removed meanwhile, is put
// aside when it joins again, and neither read nor listed.
func TestChunkRemovedWhileAwayIsPutAside(t *testing.T) {
	damageTest(t, 100<<10, func(t *testing.T, ctx context.Context, c *Cluster, content []byte) {
		p := c.Process()
		var on chain.ChainID
		var id chain.ChunkID
		for _, cfg := range p.Node.Map().Chains {
			if cfg.Kind != chain.KindData {
				continue
			}
			l, _, err := p.Node.ListChunks(cfg.Chain, cfg.Tail(), chain.ChunkID{}, 10)
			require.NoError(t, err)
			if len(l) > 0 {
				on, id = cfg.Chain, l[0].ID
			}
		}
		require.NotZero(t, on)
		away := c.Disks()[2]
		require.NoError(t, c.Stop())
		require.NoError(t, c.PullOut(away))
		require.NoError(t, c.Start(ctx))
		require.NoError(t, await(ctx, "the chain goes on without it", func() error {
			if len(c.Process().Node.Map().Chains[on].Serving) != 2 {
				return errNotYet
			}
			return nil
		}))
		require.NoError(t, c.Process().Client.Remove(ctx, on, []chain.ChunkID{id}))
		require.NoError(t, c.Stop())
		require.NoError(t, c.PutBack(away))
		require.NoError(t, c.Start(ctx))
		p = c.Process()
		require.NoError(t, p.WaitFull(ctx))
		require.NoError(t, p.Same(ctx))
		chunks, _, aside := sumStats(p)
		require.Zero(t, chunks)
		require.Equal(t, 1, aside)
		require.Equal(t, 1, p.Node.Stats()[away.ID].Quarantined)
		require.Equal(t, 1, rot(t, away, content), "its bytes are kept")
	})
}
