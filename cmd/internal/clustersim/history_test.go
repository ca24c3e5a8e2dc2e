package clustersim

import (
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// A checker that accepts everything would pass every run of the cluster.
func TestCheckerTellsWrongHistories(t *testing.T) {
	put := func(v uint64) call { return call{do: actPut, value: v} }
	get := call{do: actGet}
	saw := func(v uint64) result { return result{seen: registers{v}} }
	op := func(from int64, c call, r result, to int64) porcupine.Operation {
		if r.out == outUnknown {
			to = math.MaxInt64
		}
		return porcupine.Operation{Input: c, Call: from, Output: r, Return: to}
	}
	for name, c := range map[string]struct {
		ops   []porcupine.Operation
		wrong bool
	}{
		"read of what was written": {ops: []porcupine.Operation{op(1, put(1), result{}, 2), op(3, get, saw(1), 4)}},
		"acknowledged write lost":  {ops: []porcupine.Operation{op(1, put(1), result{}, 2), op(3, get, result{out: outMissing}, 4)}, wrong: true},
		"stale read": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, put(2), result{}, 4), op(5, get, saw(1), 6)}, wrong: true},
		"read goes back": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, put(2), result{out: outUnknown}, 0), op(4, get, saw(2), 5), op(6, get, saw(1), 7)}, wrong: true},
		"unknown write takes effect late": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, put(2), result{out: outUnknown}, 0), op(4, get, saw(1), 5), op(6, get, saw(2), 7)}},
		"two puts if absent succeed": {ops: []porcupine.Operation{
			op(1, call{do: actPutAbsent, value: 1}, result{}, 4), op(2, call{do: actPutAbsent, value: 2}, result{}, 3)}, wrong: true},
		"put if match of an old value": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, put(2), result{}, 4), op(5, call{do: actPutMatch, value: 3, match: 1}, result{}, 6)}, wrong: true},
		"refused put took effect": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, call{do: actPutAbsent, value: 2}, result{out: outRefused}, 4), op(5, get, saw(2), 6)}, wrong: true},
		"delete of nothing says that it existed": {ops: []porcupine.Operation{op(1, call{do: actDelete}, result{existed: true}, 2)}, wrong: true},
		"list is no instant": {ops: []porcupine.Operation{
			op(1, put(1), result{}, 2), op(3, call{do: actPut, key: 1, value: 2}, result{}, 4),
			op(5, call{do: actList}, result{seen: registers{0, 2}}, 6)}, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{prefix: name, ops: c.ops}
			if err := h.check(time.Minute); c.wrong {
				require.ErrorIs(t, err, errNotLinearizable)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
