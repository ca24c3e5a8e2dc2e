package workload

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVerifyPassesOnlyAfterAskingForEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, f := loadOf(t, nil)
		require.NoError(t, l.Verify(t.Context()))
		require.Subset(t, f.seen, []string{"PUT settle", "DELETE settle", "GET ", "GET a", "GET b", "GET c"})
		require.Len(t, l.writers[0].keys["c"], 1, "its state is certain now")
	})
}

func TestVerifyFindsWhatContradicts(t *testing.T) {
	for name, spoil := range map[string]func(*fakeS3){
		"lost":      func(f *fakeS3) { delete(f.objects, "a") },
		"changed":   func(f *fakeS3) { f.objects["a"] = Version{Seed: 9, Size: 100}.Bytes() },
		"cut":       func(f *fakeS3) { f.objects["a"] = f.objects["a"][:50] },
		"invented":  func(f *fakeS3) { f.objects["d"] = []byte("d") },
		"no bucket": func(f *fakeS3) { f.fault = on("/torture/settle", noBucket, 1) },
		"no bucket, seen late": func(f *fakeS3) {
			f.fault = func(n int, r *http.Request) int { return map[bool]int{true: 503, false: noBucket}[n < 3] }
		},
		"no bucket, seen at what may be gone": func(f *fakeS3) {
			delete(f.objects, "c")
			f.fault = on("/torture/c", noBucket, 1)
		},
		"removed, and back": func(f *fakeS3) { f.fault = comesBack(f, 0) },
		"lost, and seen late": func(f *fakeS3) {
			delete(f.objects, "a")
			f.fault = on("/torture/a", 503, 1)
		},
		"lost, beside one that is not answered": func(f *fakeS3) {
			delete(f.objects, "a")
			f.fault = on("/torture/b", 503, 1<<30)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, f := loadOf(t, nil)
				spoil(f)
				require.ErrorIs(t, l.Verify(t.Context()), ErrContradiction)
			})
		})
	}
}

// on answers the first n requests for a path with a status.
func on(path string, status, n int) func(int, *http.Request) int {
	return func(_ int, r *http.Request) int {
		if r.URL.Path != path || n == 0 {
			return 0
		}
		n--
		return status
	}
}

// comesBack has the object of Verify's own write in the listing, after its first
// request was answered with a status.
func comesBack(f *fakeS3, status int) func(int, *http.Request) int {
	return func(n int, r *http.Request) int {
		if r.URL.Path == "/torture/" {
			f.objects[settleKey] = []byte("s")
		}
		return map[bool]int{true: status}[n == 1]
	}
}

// A write that was given up may take effect behind the next one.
func TestALateWriteOfItsOwnIsNoInvention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, f := loadOf(t, nil)
		f.fault = comesBack(f, 503)
		err := l.Verify(t.Context())
		require.ErrorContains(t, err, "answered only after")
		require.NotErrorIs(t, err, ErrContradiction)
	})
}

// What Verify makes of a server that does not answer for one key, or at all.
func TestWhatCountsAsNotAnswering(t *testing.T) {
	const always = 1 << 30
	for name, c := range map[string]struct {
		fault      func(int, *http.Request) int
		able       error
		unanswered bool
	}{
		"refuses a key to the end":       {fault: on("/torture/a", 503, always), unanswered: true},
		"fails at a key to the end":      {fault: on("/torture/a", 500, always), unanswered: true},
		"breaks off at a key to the end": {fault: on("/torture/a", breaks, always), unanswered: true},
		"cuts a key short to the end":    {fault: on("/torture/a", cutsShort, always), unanswered: true},
		"hangs at a key to the end":      {fault: on("/torture/a", hangs, always), unanswered: true},
		"refuses the listing to the end": {fault: on("/torture/", 503, always), unanswered: true},
		"refuses writes to the end":      {fault: on("/torture/settle", 503, always), unanswered: true},
		"hangs once":                     {fault: on("/torture/a", hangs, 1)},
		"refuses once":                   {fault: on("/torture/a", 503, 1)},
		"refuses once what may be gone":  {fault: on("/torture/c", 503, 1)},
		"is late with a write":           {fault: on("/torture/settle", 503, 1)},
		"is late with the listing":       {fault: on("/torture/", 503, 3)},
		"has no space":                   {fault: on("/torture/settle", 507, always)},
		"forbids":                        {fault: on("/torture/a", 403, always)},
		"is asked too much":              {fault: on("/torture/a", slowDown, always)},
		"is not reached":                 {fault: on("/torture/a", unreachable, always)},
		"is not able to":                 {fault: on("/torture/a", 503, always), able: errors.New("it has ended")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, f := loadOf(t, c.able)
				f.fault = c.fault
				delete(f.objects, "c")
				begin := time.Now()
				err := l.Verify(t.Context())
				require.Less(t, time.Since(begin), 50*time.Second)
				require.Error(t, err, "what is not answered at once fails a healthy build")
				require.NotErrorIs(t, err, ErrContradiction)
				require.Equal(t, c.unanswered, errors.Is(err, ErrUnanswered), "%v", err)
			})
		})
	}
}

// A verdict takes the patience once, not for each key, and not less than it.
func TestTheVerdictTakesThePatienceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, f := loadOf(t, nil)
		f.fault = func(_ int, r *http.Request) int {
			return map[bool]int{true: 503}[r.Method == http.MethodGet && r.URL.Path != "/torture/"]
		}
		begin := time.Now()
		require.ErrorIs(t, l.Verify(t.Context()), ErrUnanswered)
		require.GreaterOrEqual(t, time.Since(begin), 40*time.Second)
		require.Less(t, time.Since(begin), 50*time.Second)
	})
}

// A run that its caller ends says nothing about the server.
func TestTheEndOfARunIsNoRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		fault int
		after time.Duration
	}{
		"refused":            {503, 5 * time.Second},
		"hangs":              {hangs, 5 * time.Second},
		"hangs, at the last": {hangs, 40*time.Second + 200*time.Millisecond}, // in the second try
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				l, f := loadOf(t, nil)
				f.fault = on("/torture/a", c.fault, 1<<30)
				err := l.Verify(ctx)
				require.Error(t, err)
				require.NotErrorIs(t, err, ErrUnanswered)
				require.NotErrorIs(t, err, ErrContradiction)
			})
		})
	}
}
