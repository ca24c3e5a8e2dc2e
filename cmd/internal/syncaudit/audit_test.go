package syncaudit

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// good is a trace of one object that was synced in both directories first.
const good = `101 read(7<TCP:[127.0.0.1:9000->127.0.0.1:40000]>, "PUT /b/k HTTP/1.1\r\n\r\nMARKER-1", 4096) = 40
102 pwrite64(12</d/d1/rec.1>, "xxMARKER-1yy" <unfinished ...>
103 pwrite64(13</d/d2/rec.1>, "xxMARKER-1yy", 4096, 0) = 4096
102 <... pwrite64 resumed>, 4096, 0)             = 4096
102 fdatasync(12</d/d1/rec.1> <unfinished ...>
103 fdatasync(13</d/d2/rec.1>) = 0
102 <... fdatasync resumed>) = 0
101 write(7<TCP:[127.0.0.1:9000->127.0.0.1:40000]>, "HTTP/1.1 200 OK\r\n", 17) = 17
`

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

func TestAudit(t *testing.T) {
	dirs := []string{"/d/d1", "/d/d2"}
	order := func(idx ...int) string {
		l := lines(good)
		out := ""
		for _, i := range idx {
			out += l[i] + "\n"
		}
		return out
	}
	tests := []struct{ name, trace, want string }{
		{"synced everywhere", good, ""},
		{"answered before a sync returned", order(0, 1, 2, 3, 4, 5, 7, 6), "before a sync of its file in /d/d1"},
		{"sync began before the write returned", order(0, 1, 2, 4, 3, 5, 6, 7), "resumes"},
		{"not written in one directory", order(0, 2, 5, 7), "no write of it is seen in /d/d1"},
		{"not synced in one directory", order(0, 1, 2, 3, 4, 6, 7), "before a sync of its file in /d/d2"},
		{"never answered", order(0, 1, 2, 3, 4, 5, 6), "no answer"},
		{"failed sync", strings.Replace(good, "fdatasync(13</d/d2/rec.1>) = 0", "fdatasync(13</d/d2/rec.1>) = -1 EIO", 1), "/d/d2"},
		{"sync of another file", strings.Replace(good, "fdatasync(13</d/d2/rec.1>)", "fdatasync(13</d/d2/rec.2>)", 1), "/d/d2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := Audit(strings.NewReader(tt.trace), dirs, []string{"MARKER-1"})
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, Report{Acks: 1, Writes: 2, Syncs: 2}, rep)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}
