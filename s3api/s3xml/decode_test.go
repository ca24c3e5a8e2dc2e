package s3xml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"catena/s3api/checksum"
	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

func code(err error) string {
	var e *s3err.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	if err != nil {
		return "?" + err.Error()
	}
	return ""
}

func TestDecodeDelete(t *testing.T) {
	for _, doc := range []string{
		head + `<Delete` + ns + `><Quiet>true</Quiet><Object><Key>a &amp;&#13; b</Key></Object><Object><Key> k </Key><VersionId>null</VersionId></Object></Delete>`,
		"\uFEFF<Delete>\n <!-- c --><Object><VersionId></VersionId><Key>a &amp;&#xD; b</Key></Object> <Object><Key> k </Key><VersionId>null</VersionId></Object><Quiet>TRUE</Quiet>\n</Delete>\n",
		`<s:Delete xmlns:s="` + Namespace + `"><s:Quiet>1</s:Quiet><s:Object><s:Key><![CDATA[a &]]>&#13; b</s:Key></s:Object><s:Object><s:Key> k </s:Key><s:VersionId>null</s:VersionId></s:Object></s:Delete>`,
	} {
		x, err := DecodeDelete(strings.NewReader(doc))
		require.NoError(t, err, doc)
		require.True(t, x.Quiet)
		require.Equal(t, []DeleteObject{{Key: "a &\r b"}, {Key: " k ", VersionID: "null"}}, x.Objects)
	}
	x, err := DecodeDelete(strings.NewReader(`<Delete><Object><Key>k</Key><ETag>"e"</ETag><Size>5</Size><LastModifiedTime>Fri, 02 Jan 2026 03:04:05 GMT</LastModifiedTime></Object></Delete>`))
	require.NoError(t, err)
	require.EqualValues(t, 5, *x.Objects[0].Size)
	require.Equal(t, at.Truncate(1e9), *x.Objects[0].LastModified)
}

func objects(n int) string {
	var b strings.Builder
	b.WriteString("<Delete>")
	for i := range n {
		fmt.Fprintf(&b, "<Object><Key>k%d</Key></Object>", i)
	}
	return b.String()
}

func TestRefusedDocuments(t *testing.T) {
	one := "<Object><Key>k</Key></Object>"
	for _, c := range []struct{ name, doc, want string }{
		{"empty", "", "MissingRequestBodyError"},
		{"blank", " \n", "MissingRequestBodyError"},
		{"only a declaration", head, "MalformedXML"},
		{"no objects", "<Delete></Delete>", "MalformedXML"},
		{"too many", objects(1001) + "</Delete>", "MalformedXML"},
		{"truncated", objects(3), "MalformedXML"},
		{"doctype", `<!DOCTYPE d [<!ENTITY a "b">]><Delete>` + one + "</Delete>", "MalformedXML"},
		{"entity", "<Delete><Object><Key>&a;</Key></Object></Delete>", "MalformedXML"},
		{"html entity", "<Delete><Object><Key>&nbsp;</Key></Object></Delete>", "MalformedXML"},
		{"NUL reference", "<Delete><Object><Key>&#0;</Key></Object></Delete>", "MalformedXML"},
		{"bad UTF-8", "<Delete><Object><Key>\xff</Key></Object></Delete>", "MalformedXML"},
		{"UTF-16", "\xfe\xff\x00<\x00D", "MalformedXML"},
		{"other encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><Delete>` + one + "</Delete>", "MalformedXML"},
		{"processing instruction", `<?foo bar?><Delete>` + one + "</Delete>", "MalformedXML"},
		{"late declaration", `<Delete><?xml version="1.0"?>` + one + "</Delete>", "MalformedXML"},
		{"second root", "<Delete>" + one + "</Delete><Delete>" + one + "</Delete>", "MalformedXML"},
		{"text behind", "<Delete>" + one + "</Delete>x", "MalformedXML"},
		{"text before", "x<Delete>" + one + "</Delete>", "MalformedXML"},
		{"other root", "<Erase>" + one + "</Erase>", "MalformedXML"},
		{"other namespace", `<Delete xmlns="http://example.com/">` + one + "</Delete>", "MalformedXML"},
		{"undeclared prefix", `<Delete><x:Object><Key>k</Key></x:Object></Delete>`, "MalformedXML"},
		{"two keys", "<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>", "MalformedXML"},
		{"two quiets", "<Delete><Quiet>true</Quiet><Quiet>false</Quiet>" + one + "</Delete>", "MalformedXML"},
		{"bad quiet", "<Delete><Quiet>maybe</Quiet>" + one + "</Delete>", "MalformedXML"},
		{"no key", "<Delete><Object></Object></Delete>", "MalformedXML"},
		{"empty key", "<Delete><Object><Key></Key></Object></Delete>", "MalformedXML"},
		{"unknown element", "<Delete><Object><Key>k</Key><Foo/></Object></Delete>", "MalformedXML"},
		{"element in text", "<Delete><Object><Key>k<b/></Key></Object></Delete>", "MalformedXML"},
		{"text between", "<Delete>x" + one + "</Delete>", "MalformedXML"},
		{"deep", "<Delete>" + strings.Repeat("<Object>", 11000), "MalformedXML"},
		{"bad size", "<Delete><Object><Key>k</Key><Size>x</Size></Object></Delete>", "MalformedXML"},
	} {
		_, err := DecodeDelete(strings.NewReader(c.doc))
		require.Equal(t, c.want, code(err), c.name)
	}
}

// endless gives objects without end; the decoder must stop by itself.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	const item = "<Object><Key>k</Key></Object>"
	if e.read == 0 {
		e.read = copy(p, "<Delete>")
		return e.read, nil
	}
	n := 0
	for n+len(item) <= len(p) {
		n += copy(p[n:], item)
	}
	e.read += n
	return n, nil
}

func TestStopsAtTheFirstTooMany(t *testing.T) {
	e := &endless{}
	_, err := DecodeDelete(e)
	require.Equal(t, "MalformedXML", code(err))
	require.Less(t, e.read, 64<<10)
}

func TestErrorOfTheBodyPasses(t *testing.T) {
	r := io.MultiReader(strings.NewReader("<Delete><Obj"), failing{})
	_, err := DecodeDelete(r)
	require.Equal(t, "RequestTimeout", code(err))
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, s3err.New(s3err.RequestTimeout) }

func TestDecodeComplete(t *testing.T) {
	parts, err := DecodeCompleteMultipartUpload(strings.NewReader(`<CompleteMultipartUpload` + ns +
		`><Part><PartNumber> 2 </PartNumber><ETag>"abc"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><Part><ETag>&quot;d&quot;</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>`))
	require.NoError(t, err)
	require.Equal(t, []CompletedPart{{2, "abc", checksum.Value{Algorithm: checksum.CRC32, Type: checksum.FullObject, Sum: []byte{0, 0, 0, 0}}}, {PartNumber: 1, ETag: "d"}}, parts)
	wrap := func(s string) string { return "<CompleteMultipartUpload>" + s + "</CompleteMultipartUpload>" }
	part := "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"
	for _, c := range []struct{ doc, want string }{
		{"", "MissingRequestBodyError"},
		{wrap(""), "MalformedXML"},
		{wrap(strings.Repeat(part, 10001)), "MalformedXML"},
		{wrap("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML"},
		{wrap("<Part><ETag>e</ETag></Part>"), "MalformedXML"},
		{wrap("<Part><PartNumber>x</PartNumber><ETag>e</ETag></Part>"), "MalformedXML"},
		{wrap("<Part><PartNumber>0</PartNumber><ETag>e</ETag></Part>"), "InvalidArgument"},
		{wrap("<Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part>"), "InvalidArgument"},
		{wrap("<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumCRC32>x</ChecksumCRC32></Part>"), "InvalidRequest"},
		{wrap("<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumXXHASH3>x</ChecksumXXHASH3></Part>"), "NotImplemented"},
		{wrap("<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>"), "MalformedXML"},
	} {
		_, err := DecodeCompleteMultipartUpload(strings.NewReader(c.doc))
		require.Equal(t, c.want, code(err), "%.120s", c.doc)
	}
	all, err := DecodeCompleteMultipartUpload(strings.NewReader(wrap(strings.Repeat(part, 10000))))
	require.NoError(t, err)
	require.Len(t, all, 10000)
}

func TestDecodeCreateBucket(t *testing.T) {
	x, err := DecodeCreateBucketConfiguration(strings.NewReader(`<CreateBucketConfiguration` + ns + `><LocationConstraint>eu-1</LocationConstraint></CreateBucketConfiguration>`))
	require.NoError(t, err)
	require.Equal(t, &CreateBucketConfiguration{LocationConstraint: "eu-1"}, x)
	x, err = DecodeCreateBucketConfiguration(strings.NewReader(`<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket><Tags><Tag><Key>a</Key></Tag></Tags></CreateBucketConfiguration>`))
	require.NoError(t, err)
	require.True(t, x.HasDirectory && x.HasTags)
	_, err = DecodeCreateBucketConfiguration(strings.NewReader(`<CreateBucketConfiguration><Tags>` + strings.Repeat("<a>", 9)))
	require.Equal(t, "MalformedXML", code(err))
}

// FuzzDecode: what a decoder accepts, the lenient decoder of the standard library reads the
// same way; and nothing panics or is a server error.
func FuzzDecode(f *testing.F) {
	f.Add(head + `<Delete` + ns + `><Quiet>true</Quiet><Object><Key>a &amp; b</Key><VersionId>null</VersionId></Object></Delete>`)
	f.Add("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumSHA1>x</ChecksumSHA1></Part></CompleteMultipartUpload>")
	f.Add("<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint><Tags/></CreateBucketConfiguration>")
	f.Add(`<!DOCTYPE a><Delete><Object><Key><![CDATA[x]]></Key></Object></Delete><!-- -->`)
	f.Fuzz(func(t *testing.T, doc string) {
		x, err := DecodeDelete(strings.NewReader(doc))
		if err != nil && s3err.From(err).Status >= 500 {
			t.Fatal(err)
		}
		if err == nil {
			var lenient struct{ Object []struct{ Key string } }
			if err := xml.Unmarshal([]byte(strings.TrimPrefix(doc, "\uFEFF")), &lenient); err != nil || len(lenient.Object) != len(x.Objects) {
				t.Fatalf("accepted %d objects, lenient reader sees %d: %v", len(x.Objects), len(lenient.Object), err)
			}
			for i, o := range x.Objects {
				if o.Key != lenient.Object[i].Key {
					t.Fatalf("key %q, lenient reader sees %q", o.Key, lenient.Object[i].Key)
				}
			}
		}
		if parts, err := DecodeCompleteMultipartUpload(strings.NewReader(doc)); err == nil && (len(parts) == 0 || len(parts) > MaxParts) {
			t.Fatal("number of parts")
		}
		DecodeCreateBucketConfiguration(strings.NewReader(doc))
	})
}
