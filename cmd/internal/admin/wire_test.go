package admin

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

// wireTypes are the objects of the API, by their names in API.md.
func wireTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Status": reflect.TypeFor[Status](), "Master": reflect.TypeFor[Master](), "Store": reflect.TypeFor[Store](),
		"Space": reflect.TypeFor[Space](), "TotalSpace": reflect.TypeFor[TotalSpace](), "Chain": reflect.TypeFor[Chain](),
		"Epoch": reflect.TypeFor[chain.Epoch](), "Forced": reflect.TypeFor[Forced](), "Problem": reflect.TypeFor[Problem](),
		"FactorRequest": reflect.TypeFor[FactorRequest](), "FactorChange": reflect.TypeFor[FactorChange](),
		"ForceRequest": reflect.TypeFor[ForceRequest](), "ForceAnswer": reflect.TypeFor[ForceAnswer](),
	}
}

// API.md names exactly the fields that there are, in their order, and says which
// may be left out.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("API.md")
	require.NoError(t, err)
	documented := map[string][]string{}
	row := regexp.MustCompile("^\\| `([a-z_]+)` \\| ?(optional: )?")
	var section string
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			section = strings.TrimSpace(name)
		}
		if m := row.FindStringSubmatch(line); m != nil {
			documented[section] = append(documented[section], strings.TrimSpace(m[1]+" "+m[2]))
		}
	}
	fields := map[string][]string{}
	for name, typ := range wireTypes() {
		for i := range typ.NumField() {
			tag, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			require.NotEmpty(t, tag, "%s.%s", name, typ.Field(i).Name)
			if options != "" {
				tag += " optional:"
			}
			fields[name] = append(fields[name], tag)
		}
	}
	require.Equal(t, fields, documented)
	for _, code := range []string{"bad_request", "unauthorized", "not_found", "method_not_allowed", "refused", "too_large", "internal", "unavailable"} {
		require.Contains(t, string(doc), "`"+code+"`")
	}
}

// fullStatus has something in every field.
func fullStatus() Status {
	id := func(n byte) chain.StoreID { return chain.StoreID{n, 15: n} }
	rep := Replica{Store: id(1), Incarnation: 2}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return Status{
		Software: "catena test", Cluster: chain.ClusterID{9}.String(), Host: "here", Leader: id(1).String(),
		Masters:      []Master{{Store: id(1).String(), Role: "leader"}, {Store: id(2).String(), Role: "dead", Reason: "input/output error"}},
		VotersWanted: 2, VotersReady: 1, MapVersion: 7, Factor: 2, Tablets: 1, DataChains: 1, Chains: 2, Below: 1, Above: 1, Unwritable: 1,
		Stores: []Store{
			{
				ID: id(1).String(), Path: "/d1", State: "live", Alive: true, Full: true, Replaces: id(3).String(), Replicas: 2,
				Space: &Space{Used: 1, Free: 2, Device: "8:1", Chunks: 3, ChunkBytes: 4, Damaged: 5, Quarantined: 6},
			},
			{
				ID: id(2).String(), Path: "/d2", State: "absent", Reason: "left out", AwaySince: at, AwayOrLonger: true,
				WaitedUntil: at.Add(10 * time.Minute), Next: "start with it",
			},
		},
		Space: TotalSpace{Used: 1, Free: 2, Devices: 1},
		Trouble: []Chain{{
			ID: 7, Kind: "index", Epoch: chain.Epoch{Recovery: 1, N: 4}, Factor: 2, MinAck: 2, Serving: []Replica{rep}, Settled: []Replica{rep},
			Syncing: []Replica{}, Recoverable: []Replica{rep}, Former: []Replica{}, Unwritable: true, Next: "wait",
		}},
		Plan:   []string{"chain 9: fill it"},
		Forced: []Forced{{Chain: 3, Epoch: chain.Epoch{N: 2}, Replica: rep, Reason: "burnt"}},
	}
}

// The answer of v1 is what it was: names, types, and what stands for nothing.
func TestStatusOfV1(t *testing.T) {
	want, err := os.ReadFile("testdata/status.v1.json")
	require.NoError(t, err)
	got, err := json.MarshalIndent(fullStatus(), "", "  ")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n", "a script relies on it: fields are only added")
	var back Status
	require.NoError(t, json.Unmarshal(want, &back))
	require.Equal(t, fullStatus(), back)
}
