package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

// fakeCluster has a factor of 3 and three stores.
type fakeCluster struct {
	factor int
	forced []ForceRequest
	err    error
}

func (f *fakeCluster) Status(context.Context) (Status, error) {
	return Status{Factor: f.factor, Cluster: "c"}, f.err
}

func (f *fakeCluster) LookAtFactor(to int) (FactorChange, error) {
	if to > 3 {
		return FactorChange{}, &Refusal{"too few stores"}
	}
	return FactorChange{From: f.factor, To: to, MinAck: min(to, 2), Shrink: 45}, f.err
}

func (f *fakeCluster) SetFactor(_ context.Context, to int) error { f.factor = to; return f.err }

func (f *fakeCluster) Force(_ context.Context, r ForceRequest) error {
	f.forced = append(f.forced, r)
	return f.err
}

type oneKey struct{}

func (oneKey) Lookup(access string) (sigv4.Credential, bool) {
	return sigv4.Credential{SecretKey: "hush-hush-77"}, access == "OPERATOR"
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newTestAPI(t *testing.T, c Cluster, log io.Writer) *API {
	t.Helper()
	a, err := NewAPI(APIConfig{Cluster: c, Credentials: oneKey{}, Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	return a
}

func operatorKey() sigv4.Signer {
	return sigv4.Signer{AccessKey: "OPERATOR", SecretKey: "hush-hush-77", Service: Service, Time: noon}
}

func sum(body string) string {
	s := sha256.Sum256([]byte(body))
	return hex.EncodeToString(s[:])
}

// signed makes a request that is signed as the arguments say.
func signed(s sigv4.Signer, method, target, payload, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	fields, _ := s.Header(sigv4.Unsigned{Method: method, Target: target, Host: r.Host}, payload)
	for _, f := range fields {
		r.Header.Set(f.Name, f.Value)
	}
	return r
}

func ask(h http.Handler, r *http.Request) (int, Problem, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p Problem
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return w.Code, p, w.Body.String()
}

// Everything below /v1/ wants a signature over method, path and body, made for
// this service with the cluster's keys, in the header, and fresh.
func TestNothingIsToldOrDoneWithoutASignature(t *testing.T) {
	c := &fakeCluster{factor: 3}
	h := Handler(func() Config { x := config(alwaysReady); x.API = newTestAPI(t, c, io.Discard); return x }(), false)
	body := `{"from":3,"to":2}`
	good := operatorKey()
	other := func(change func(*sigv4.Signer)) sigv4.Signer { s := good; change(&s); return s }
	presigned := good.Presign(sigv4.Unsigned{Method: "POST", Target: PathFactor, Host: "example.com", Fields: head.Fields{}}, time.Minute)
	tampered := signed(good, "POST", PathFactor, sum(body), body)
	tampered.Body = io.NopCloser(strings.NewReader(`{"from":3,"to":1,"accept_data_loss":true}`))
	moved := signed(good, "POST", PathForce, sum(body), body)
	moved.URL.Path, moved.RequestURI = PathFactor, PathFactor
	elsewhere := signed(good, "POST", PathFactor, sum(body), body)
	elsewhere.Host = "evil.example:80"
	for name, r := range map[string]*http.Request{
		"no signature":      httptest.NewRequest("POST", PathFactor, strings.NewReader(body)),
		"no signature, GET": httptest.NewRequest("GET", PathStatus, nil),
		"no signature, 404": httptest.NewRequest("GET", "/v1/nothing", nil),
		"made for S3":       signed(other(func(s *sigv4.Signer) { s.Service = "s3" }), "POST", PathFactor, sum(body), body),
		"unknown key":       signed(other(func(s *sigv4.Signer) { s.AccessKey = "STRANGER" }), "POST", PathFactor, sum(body), body),
		"wrong secret":      signed(other(func(s *sigv4.Signer) { s.SecretKey = "hush-hush-78" }), "POST", PathFactor, sum(body), body),
		"old":               signed(other(func(s *sigv4.Signer) { s.Time = noon.Add(-16 * time.Minute) }), "POST", PathFactor, sum(body), body),
		"of tomorrow":       signed(other(func(s *sigv4.Signer) { s.Time = noon.Add(24 * time.Hour) }), "POST", PathFactor, sum(body), body),
		"body not signed":   signed(good, "POST", PathFactor, "UNSIGNED-PAYLOAD", body),
		"body streamed":     signed(good, "POST", PathFactor, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body),
		"another body":      tampered,
		"another path":      moved,
		"another host":      elsewhere,
		"in the URL":        httptest.NewRequest("POST", presigned, strings.NewReader(body)),
		"a query beside it": signed(good, "POST", PathFactor+"?a=b", sum(body), body),
		"basic": func() *http.Request {
			r := httptest.NewRequest("GET", PathStatus, nil)
			r.SetBasicAuth("OPERATOR", "hush-hush-77")
			return r
		}(),
		"signature version2": httptest.NewRequest("GET", PathStatus+"?AWSAccessKeyId=OPERATOR&Expires=9999999999&Signature=x", nil),
	} {
		code, p, text := ask(h, r)
		require.Equal(t, http.StatusUnauthorized, code, name)
		require.Equal(t, "unauthorized", p.Code, name)
		require.NotEmpty(t, p.Message, name)
		require.NotContains(t, text, "hush", name)
		require.Equal(t, 3, c.factor, name)
	}
	code, _, text := ask(h, signed(good, "POST", PathFactor, sum(body), body))
	require.Equal(t, 200, code, text)
	require.Equal(t, 2, c.factor)
	late := other(func(s *sigv4.Signer) { s.Time = noon.Add(time.Second) })
	code, p, _ := ask(h, signed(late, "POST", PathFactor, sum(body), body))
	require.Equal(t, 409, code, "made anew it is refused: the factor is another one now")
	require.Contains(t, p.Message, "the factor is 2 now, not 3")
}

// A change that was overheard is done once, also when the factor is again what
// it names; what is told apart is signed, so the signature's spelling is no way around.
func TestAChangeIsDoneOnce(t *testing.T) {
	now := noon
	c := &fakeCluster{factor: 3}
	a, err := NewAPI(APIConfig{Cluster: c, Credentials: oneKey{}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	body := `{"from":3,"to":2}`
	code, _, text := ask(a, signed(operatorKey(), "PUT", PathFactor, sum(body), body))
	require.Equal(t, 200, code, text)
	c.factor = 3
	for _, spell := range []func(string) string{
		func(s string) string { return s },
		nil, // another nonce, which was not signed
		func(s string) string { return strings.ReplaceAll(s, ", ", ",  ") },
		func(s string) string {
			i := strings.Index(s, "Signature=") + len("Signature=")
			return s[:i] + strings.ToUpper(s[i:])
		},
	} {
		r := signed(operatorKey(), "PUT", PathFactor, sum(body), body)
		if spell == nil {
			r.Header.Set(nonceHeader, "1")
			code, _, _ := ask(a, r)
			require.Equal(t, 401, code)
			continue
		}
		r.Header.Set("Authorization", spell(r.Header.Get("Authorization")))
		code, p, _ := ask(a, r)
		require.Equal(t, 409, code)
		require.Contains(t, p.Message, "was made already")
		require.Equal(t, 3, c.factor)
	}
	code, _, _ = ask(a, signed(operatorKey(), "GET", PathStatus, sum(""), ""))
	require.Equal(t, 200, code)
	code, _, _ = ask(a, signed(operatorKey(), "GET", PathStatus, sum(""), ""))
	require.Equal(t, 200, code, "what only looks may be asked again")
	now = noon.Add(time.Hour)
	require.NoError(t, a.once.first(httptest.NewRequest("PUT", "/x", nil), "k", nil, now))
	require.Len(t, a.once.seen, 1, "what is too old to be taken is forgotten")
}

func TestWithoutAnAPIThereIsNothingBelowV1(t *testing.T) {
	code, _ := get(Handler(config(nil), false), "GET", PathStatus)
	require.Equal(t, 404, code)
}

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	replica := `"replica":"0102030405060708090a0b0c0d0e0f10/1"`
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/nothing", "", 404, "there is nothing at"},
		{"GET", PathFactor, "", 405, "does not take GET"},
		{"DELETE", PathStatus, "", 405, "does not take DELETE"},
		{"GET", PathStatus, "{}", 400, "takes no body"},
		{"POST", PathFactor, "", 400, "not the JSON that is wanted: EOF"},
		{"POST", PathFactor, `{"from":3,"to":2,"force":true}`, 400, `unknown field "force"`},
		{"POST", PathFactor, `{"from":3,"to":2}{}`, 400, "something after"},
		{"POST", PathFactor, `{"from":3,"to":"2"}`, 400, "cannot unmarshal string"},
		{"POST", PathFactor, `{"from":3,"to":2.5}`, 400, "cannot unmarshal"},
		{"POST", PathFactor, `{"to":2}`, 400, "from and to are needed"},
		{"POST", PathFactor, `{"from":3,"to":-1}`, 400, "from and to are needed"},
		{"POST", PathFactor, `{"from":3,"to":4}`, 409, "too few stores"},
		{"POST", PathFactor, `{"from":2,"to":1}`, 409, "the factor is 3 now, not 2"},
		{"POST", PathFactor, `{"from":3,"to":1}`, 409, "--i-accept-data-loss"},
		{"POST", PathFactor, strings.Repeat(" ", maxBody+1), 413, "over 65536 bytes"},
		{"PUT", PathForce, "{}", 405, "does not take PUT"},
		{"POST", PathForce, "{}", 400, "chain, epoch and replica are needed"},
		{"POST", PathForce, `{"chain":1,"epoch":{"n":4},"replica":"x"}`, 400, "a replica is STORE/INCARNATION"},
		{"POST", PathForce, `{"chain":1,"epoch":{"n":4},` + replica + `,"reason":"gone"}`, 409, "--i-accept-data-loss"},
		{"POST", PathForce, `{"chain":1,"epoch":{"n":4},` + replica + `,"accept_data_loss":true}`, 400, "the reason is missing"},
		{"POST", PathForce, `{"chain":1,"epoch":{"n":4},` + replica + `,"accept_data_loss":true,"reason":"a\nb"}`, 400, "cannot be printed"},
		{"POST", PathForce, `{"chain":1,"epoch":{"n":4},` + replica + `,"accept_data_loss":true,"reason":"` + strings.Repeat("x", 501) + `"}`, 400, "at most 500"},
	} {
		c := &fakeCluster{factor: 3}
		code, p, text := ask(newTestAPI(t, c, io.Discard), signed(operatorKey(), tt.method, tt.path, sum(tt.body), tt.body))
		require.Equal(t, tt.status, code, "%s %s %.60s: %s", tt.method, tt.path, tt.body, text)
		require.Contains(t, p.Message, tt.want)
		require.Equal(t, 3, c.factor)
		require.Empty(t, c.forced)
	}
}

// A forced start is logged before and after, and the reason that is kept says
// who gave it and when.
func TestAForcedStartIsLoggedAndSigned(t *testing.T) {
	var log bytes.Buffer
	c := &fakeCluster{factor: 3}
	a := newTestAPI(t, c, &log)
	body := `{"chain":7,"epoch":{"n":4},"replica":"0102030405060708090a0b0c0d0e0f10/2","reason":"both disks burnt","accept_data_loss":true}`
	code, _, text := ask(a, signed(operatorKey(), "POST", PathForce, sum(body), body))
	require.Equal(t, 200, code, text)
	require.Len(t, c.forced, 1)
	require.Equal(t, "both disks burnt (by OPERATOR, 2026-11-25T12:00:00Z)", c.forced[0].Reason)
	require.Equal(t, Replica{Store: chain.StoreID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Incarnation: 2}, c.forced[0].Replica)
	require.Equal(t, 2, strings.Count(log.String(), "level=WARN"))
	require.Contains(t, log.String(), "access_key=OPERATOR")
	c.err = &Refusal{"somebody is alive"}
	later := operatorKey()
	later.Time = noon.Add(time.Second)
	code, p, _ := ask(a, signed(later, "POST", PathForce, sum(body), body))
	require.Equal(t, 409, code)
	require.Equal(t, Problem{"refused", "somebody is alive"}, p)
	require.Contains(t, log.String(), "was not made")
}

func TestErrorsOfTheClusterHaveTheirPlaceInHTTP(t *testing.T) {
	for err, want := range map[error]int{ErrUnavailable: 503, context.DeadlineExceeded: 503, errors.New("odd"): 500, &Refusal{"no"}: 409} {
		code, _, _ := ask(newTestAPI(t, &fakeCluster{err: err}, io.Discard), signed(operatorKey(), "GET", PathStatus, sum(""), ""))
		require.Equal(t, want, code, err)
	}
}

// The client's signature is one that the server takes, over a real connection.
func TestClient(t *testing.T) {
	c := &fakeCluster{factor: 3}
	srv := httptest.NewServer(newTestAPI(t, c, io.Discard))
	defer srv.Close()
	client := Client{Addr: strings.TrimPrefix(srv.URL, "http://"), Access: "OPERATOR", Secret: "hush-hush-77", Now: func() time.Time { return noon }}
	st, err := client.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, st.Factor)
	look, err := client.Factor(t.Context(), FactorRequest{From: 3, To: 2, DryRun: true})
	require.NoError(t, err)
	require.False(t, look.Changed)
	require.Equal(t, 3, c.factor, "a dry run changes nothing")
	require.Contains(t, strings.Join(look.Effects, " "), "45 chains shrink, one member at a time, down to 2")
	look, err = client.Factor(t.Context(), FactorRequest{From: 3, To: 2})
	require.NoError(t, err)
	require.True(t, look.Changed)
	require.Equal(t, 2, c.factor)
	var no *Refusal
	_, err = client.Factor(t.Context(), FactorRequest{From: 2, To: 7})
	require.ErrorAs(t, err, &no)
	c.err = ErrUnavailable
	_, err = client.Status(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	client.Secret = "hush-hush-78"
	_, err = client.Status(t.Context())
	require.ErrorContains(t, err, "does not accept the keys: SignatureDoesNotMatch")
	require.NotContains(t, err.Error(), "hush")
}

func TestReplicaText(t *testing.T) {
	r := Replica{Store: chain.StoreID{15: 1}, Incarnation: 12}
	b, err := r.MarshalText()
	require.NoError(t, err)
	var back Replica
	require.NoError(t, back.UnmarshalText(b))
	require.Equal(t, r, back)
	for _, bad := range []string{"", "/", "1/1", r.Store.String(), r.Store.String() + "/0", r.Store.String() + "/-1", r.Store.String() + "/x", strings.Repeat("a", 1000)} {
		require.Error(t, back.UnmarshalText([]byte(bad)), bad)
	}
}

// Free space that several stores share counts once, and only where a store lives.
func TestTotalCountsADeviceOnce(t *testing.T) {
	live := func(id, device string, used, free int64) Store {
		return Store{ID: id, State: "live", Alive: true, Space: &Space{Used: used, Free: free, Device: device}}
	}
	gone := live("e", "8:3", 5, 1000)
	gone.State, gone.Alive = "failed", false
	for _, tt := range []struct {
		stores []Store
		want   TotalSpace
	}{
		{nil, TotalSpace{}},
		{[]Store{live("a", "8:1", 1, 100), live("b", "8:1", 2, 90), live("c", "8:1", 3, 95)}, TotalSpace{Used: 6, Free: 90, Devices: 1}},
		{[]Store{live("a", "8:1", 1, 100), live("b", "8:2", 2, 90), live("c", "8:2", 3, 95)}, TotalSpace{Used: 6, Free: 190, Devices: 2}},
		{[]Store{live("a", "", 1, 100), live("b", "", 2, 100)}, TotalSpace{Used: 3, Free: 200, Devices: 2}},
		{[]Store{live("a", "8:1", 1, 100), {ID: "d", State: "absent"}, gone}, TotalSpace{Used: 6, Free: 100, Devices: 1}},
		{[]Store{live("a", "8:1", 1, 100), live("b", "8:1", 2, 0)}, TotalSpace{Used: 3, Free: 0, Devices: 1}},
	} {
		require.Equal(t, tt.want, Total(tt.stores))
	}
}
