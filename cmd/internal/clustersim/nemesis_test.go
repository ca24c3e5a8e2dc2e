package clustersim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Everything that may happen, in an order that only the seed knows. A longer
// campaign: CLUSTERSIM_ROUNDS=1000 CLUSTERSIM_SEED=7 go test -run TestNemesis.
func TestNemesis(t *testing.T) {
	const strokes = 10
	first := seed(t)
	for i := range rounds(t, 4) {
		s := first*1_000_003 + uint64(i)
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				rng := rand.New(rand.NewPCG(s, 9))
				c := build(t, Config{Disks: 3 + rng.IntN(2)})
				l, w := begin(t, c, s)
				n := &Nemesis{
					C: c, Rng: rng, Log: t.Logf,
					Load:  func(p *Process) func() { return under(p, l, w) },
					Check: func(ctx context.Context, p *Process) error { return l.Verify(ctx, p) },
					Full: func(ctx context.Context, p *Process) error {
						return p.Same(ctx, l.Bucket(), w.Bucket())
					},
				}
				for range strokes {
					require.NoError(t, n.Round(ctx))
				}
				require.NoError(t, n.End(ctx))
				finish(t, c, l, w)
			})
		})
	}
}
