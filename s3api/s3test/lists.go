package s3test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listing is one way to list: version 1 and 2 must agree in all but the markers.
func (s *suite) listing(t testing.TB, b, query string) listDoc {
	t.Helper()
	return parse[listDoc](t, s.ok(t, call{method: "GET", bucket: b, query: query}))
}

type listCase struct {
	query    string
	keys     []string
	prefixes []string
}

var none = []string{}

func listCases() []listCase {
	return []listCase{
		{"", []string{"asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "quux", "a b/c", "a+b", "p%q"}, none},
		{"delimiter=%2F", []string{"a+b", "asdf", "p%q", "quux"}, []string{"a b/", "boo/", "cquux/"}},
		{"delimiter=%2F&prefix=boo%2F", []string{"boo/bar"}, []string{"boo/baz/"}},
		{"delimiter=%2F&prefix=boo", none, []string{"boo/"}},
		{"prefix=boo%2F", []string{"boo/bar", "boo/baz/xyzzy"}, none},
		{"prefix=nothing", none, none},
		{"delimiter=a", []string{"cquux/thud", "p%q", "quux"}, []string{"a", "boo/ba", "cquux/bla"}},
		{"delimiter=qu", []string{"a b/c", "a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "p%q"}, []string{"cqu", "qu"}},
		{"delimiter=%25", []string{"a b/c", "a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud", "quux"}, []string{"p%"}},
		{"delimiter=%20", []string{"a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud", "p%q", "quux"}, []string{"a "}},
		{"delimiter=none-such", []string{"a b/c", "a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud", "p%q", "quux"}, none},
		{"delimiter=", []string{"a b/c", "a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud", "p%q", "quux"}, none},
		{"prefix=", []string{"a b/c", "a+b", "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud", "p%q", "quux"}, none},
	}
}

func testListCases(t *testing.T, s *suite, b, version string) {
	cases := listCases()
	s.puts(t, b, cases[0].keys...)
	for _, tc := range cases {
		doc := s.listing(t, b, version+tc.query)
		if tc.query == "" {
			require.ElementsMatch(t, tc.keys, doc.keys())
			require.IsIncreasing(t, doc.keys())
		} else {
			require.Equal(t, tc.keys, doc.keys(), tc.query)
		}
		require.Equal(t, tc.prefixes, doc.CommonPrefixes.all(), tc.query)
		require.False(t, doc.IsTruncated)
		require.Equal(t, 1000, doc.MaxKeys)
		require.Equal(t, b, doc.Name)
	}
	t.Run("entries", func(t *testing.T) {
		o := s.listing(t, b, version+"prefix=asdf").Contents[0]
		head := s.head(t, b, "asdf")
		require.Equal(t, head.header.Get("ETag"), o.ETag, "quoted, as in the header")
		require.Equal(t, int64(len("content of asdf")), o.Size)
		require.Equal(t, "STANDARD", o.StorageClass)
		modified, err := time.Parse(time.RFC3339, o.LastModified)
		require.NoError(t, err)
		require.Equal(t, head.header.Get("Last-Modified"), modified.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	})
	t.Run("encoding", func(t *testing.T) {
		doc := s.listing(t, b, version+"encoding-type=url&delimiter=%2F&prefix=a")
		require.Equal(t, "url", doc.EncodingType)
		d, err := url.QueryUnescape(doc.Delimiter)
		require.NoError(t, err)
		require.Equal(t, "/", d)
		require.Equal(t, []string{"a%2Bb", "asdf"}, doc.keys())
		p, err := url.QueryUnescape(doc.CommonPrefixes.all()[0])
		require.NoError(t, err)
		require.Equal(t, "a b/", p)
		doc = s.listing(t, b, version+"encoding-type=url&prefix=a%0A")
		p, err = url.QueryUnescape(doc.Prefix)
		require.NoError(t, err)
		require.Equal(t, "a\n", p)
	})
	t.Run("no keys asked", func(t *testing.T) {
		doc := s.listing(t, b, version+"max-keys=0")
		require.Empty(t, doc.Contents)
		require.False(t, doc.IsTruncated)
	})
	for _, bad := range []string{"max-keys=-1", "max-keys=abc", "max-keys=2147483648", "encoding-type=foo"} {
		s.fails(t, call{method: "GET", bucket: b, query: version + bad}, 400, "InvalidArgument")
	}
	require.Equal(t, 1000, s.listing(t, b, version+"max-keys=99999").MaxKeys)
}

// pages walks a listing page by page and returns all it gave, and how many pages.
func (s *suite) pages(t testing.TB, b, query string, max int) (keys, prefixes []string, n int) {
	t.Helper()
	next := ""
	for n = 1; ; n++ {
		require.Less(t, n, 100, "the pages end")
		doc := s.listing(t, b, query+"&max-keys="+itoa(max)+next)
		require.LessOrEqual(t, len(doc.Contents)+len(doc.CommonPrefixes), max)
		if doc.KeyCount != nil {
			require.Equal(t, len(doc.Contents)+len(doc.CommonPrefixes), *doc.KeyCount)
		}
		keys = append(keys, doc.keys()...)
		prefixes = append(prefixes, doc.CommonPrefixes.all()...)
		if !doc.IsTruncated {
			require.Empty(t, doc.NextContinuationToken+doc.NextMarker)
			return keys, prefixes, n
		}
		switch {
		case doc.NextContinuationToken != "":
			next = "&continuation-token=" + escape(doc.NextContinuationToken)
		case doc.NextMarker != "":
			next = "&marker=" + escape(doc.NextMarker)
		default:
			next = "&marker=" + escape(doc.Contents[len(doc.Contents)-1].Key)
		}
	}
}

func testPages(t *testing.T, s *suite, version string) {
	b := s.bucket(t)
	var all []string
	for i := range 23 {
		all = append(all, fmt.Sprintf("dir%d/key%02d", i/5, i), fmt.Sprintf("key%02d", i))
	}
	s.puts(t, b, all...)
	want := s.listing(t, b, version).keys()
	for _, max := range []int{1, 2, 3, 7, 45, 46, 47} {
		keys, prefixes, n := s.pages(t, b, version, max)
		require.Equal(t, want, keys, "max-keys %d", max)
		require.Empty(t, prefixes)
		require.Equal(t, (len(all)+max-1)/max, n, "no empty page at the end")
		keys, prefixes, _ = s.pages(t, b, version+"&delimiter=%2F", max)
		require.Len(t, keys, 23)
		require.Equal(t, []string{"dir0/", "dir1/", "dir2/", "dir3/", "dir4/"}, prefixes, "max-keys %d: each prefix once", max)
	}
	keys, prefixes, _ := s.pages(t, b, version+"&delimiter=%2F&prefix=dir1%2F", 2)
	require.Len(t, keys, 5)
	require.Empty(t, prefixes)
}

func testListV1(t *testing.T, s *suite) {
	b := s.bucket(t)
	require.Empty(t, s.listing(t, b, "").Contents)
	testListCases(t, s, b, "")
	t.Run("owner", func(t *testing.T) { require.NotNil(t, s.listing(t, b, "max-keys=1").Contents[0].Owner) })
	t.Run("markers", func(t *testing.T) {
		b := s.bucket(t)
		s.puts(t, b, "bar", "baz", "foo", "quxx")
		for marker, want := range map[string][]string{"": {"bar", "baz", "foo", "quxx"}, "bar": {"baz", "foo", "quxx"}, "blah": {"foo", "quxx"},
			"zzz": {}, "quxx": {}} {
			doc := s.listing(t, b, "marker="+marker)
			require.Equal(t, want, doc.keys(), marker)
			require.Equal(t, marker, doc.Marker)
		}
		doc := s.listing(t, b, "max-keys=2")
		require.True(t, doc.IsTruncated)
		require.Equal(t, []string{"bar", "baz"}, doc.keys())
		require.Empty(t, doc.NextMarker, "without a delimiter the last key is the marker")
		require.False(t, s.listing(t, b, "max-keys=4").IsTruncated)
	})
	t.Run("a prefix as marker", func(t *testing.T) {
		doc := s.listing(t, b, "delimiter=%2F&max-keys=1&marker=asdf")
		require.Equal(t, []string{"boo/"}, doc.CommonPrefixes.all())
		require.Equal(t, "boo/", doc.NextMarker)
		doc = s.listing(t, b, "delimiter=%2F&max-keys=1&marker=boo%2F")
		require.Equal(t, []string{"cquux/"}, doc.CommonPrefixes.all(), "everything under it is skipped")
		doc = s.listing(t, b, "delimiter=%2F&prefix=boo%2F&max-keys=1&marker=boo%2Fbar")
		require.Equal(t, []string{"boo/baz/"}, doc.CommonPrefixes.all())
		require.False(t, doc.IsTruncated)
	})
	testPages(t, s, "")
}

func testListV2(t *testing.T, s *suite) {
	b := s.bucket(t)
	const v2 = "list-type=2&"
	doc := s.listing(t, b, v2)
	require.Empty(t, doc.Contents)
	require.NotNil(t, doc.KeyCount)
	testListCases(t, s, b, v2)
	t.Run("owner only when asked", func(t *testing.T) {
		require.Nil(t, s.listing(t, b, v2+"max-keys=1").Contents[0].Owner)
		require.Nil(t, s.listing(t, b, v2+"max-keys=1&fetch-owner=false").Contents[0].Owner)
		require.NotNil(t, s.listing(t, b, v2+"max-keys=1&fetch-owner=true").Contents[0].Owner)
	})
	t.Run("start-after and tokens", func(t *testing.T) {
		b := s.bucket(t)
		s.puts(t, b, "bar", "baz", "foo", "quxx")
		doc := s.listing(t, b, v2+"start-after=bar")
		require.Equal(t, []string{"baz", "foo", "quxx"}, doc.keys())
		require.Equal(t, "bar", doc.StartAfter)
		require.Equal(t, []string{"foo", "quxx"}, s.listing(t, b, v2+"start-after=blah").keys())
		require.Empty(t, s.listing(t, b, v2+"start-after=zzz").keys())
		doc = s.listing(t, b, v2+"start-after=bar&max-keys=1")
		token := doc.NextContinuationToken
		require.NotEmpty(t, token)
		doc = s.listing(t, b, v2+"start-after=bar&continuation-token="+escape(token))
		require.Equal(t, []string{"foo", "quxx"}, doc.keys(), "the token goes on, start-after is of the first page")
		require.Equal(t, token, doc.ContinuationToken)
		require.Equal(t, "bar", doc.StartAfter)
		other := s.bucket(t)
		for _, bad := range []string{"forged", "", "YmF6", token + "x", token[1:]} {
			s.fails(t, call{method: "GET", bucket: b, query: v2 + "continuation-token=" + escape(bad)}, 400, "InvalidArgument")
		}
		s.fails(t, call{method: "GET", bucket: other, query: v2 + "continuation-token=" + escape(token)}, 400, "InvalidArgument")
	})
	s.fails(t, call{method: "GET", bucket: b, query: "list-type=3"}, 400, "InvalidArgument")
	testPages(t, s, v2)
}

func testListVersions(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.puts(t, b, "a", "b/1", "b/2", "c")
	list := func(query string) versionsDoc {
		return parse[versionsDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "versions" + query}))
	}
	doc := list("")
	require.Len(t, doc.Version, 4)
	for _, v := range doc.Version {
		require.Equal(t, "null", v.VersionId)
		require.True(t, v.IsLatest)
	}
	doc = list("&delimiter=%2F&max-keys=2")
	require.Equal(t, "a", doc.Version[0].Key)
	require.Equal(t, []string{"b/"}, doc.CommonPrefixes.all())
	require.True(t, doc.IsTruncated)
	doc = list("&delimiter=%2F&key-marker=" + escape(doc.NextKeyMarker))
	require.Len(t, doc.Version, 1)
	require.Equal(t, "c", doc.Version[0].Key)
	doc = list("&max-keys=1")
	doc = list("&key-marker=" + doc.NextKeyMarker + "&version-id-marker=" + doc.NextVersionIdMarker)
	require.Equal(t, "b/1", doc.Version[0].Key)
	s.fails(t, call{method: "GET", bucket: b, query: "versions&version-id-marker=null"}, 400, "InvalidArgument")
}
