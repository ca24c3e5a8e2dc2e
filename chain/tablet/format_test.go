package tablet

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"catena/chain"
)

var update = flag.Bool("update", false, "write the golden file anew: only for a format that no release has")

func tid(n byte) (v chain.ID128) {
	for i := range v {
		v[i] = n
	}
	return v
}

func sampleMeta() Meta {
	return Meta{
		Owner: "owner", StorageClass: "STANDARD_IA", Headers: []Pair{{"Content-Type", "text/plain"}, {"Expires", "0"}},
		User: []Pair{{"a", ""}, {"b", "2"}}, Tags: []Pair{{"t", "v"}}, Lock: []byte{1}, Encryption: []byte{2},
	}
}

func sampleExtents(n int) (es []Extent) {
	for i := range n {
		blob := tid(1)
		if i >= n/2 {
			blob = tid(2)
		}
		es = append(es, Extent{Chain: chain.ChainID(i + 1), Chunk: chain.ChunkID{Blob: blob, Ordinal: uint32(i)}, Offset: uint32(i * 7), Length: 8 << 20})
	}
	return es
}

func sampleObject() Object {
	return Object{
		Rev: 300, VersionID: NullVersion, Size: 24 << 20, ETag: "000102030405060708090a0b0c0d0e0f-3", Modified: 1_700_000_000_123,
		Checksums: []Checksum{{Algorithm: 5, Type: 2, Sum: bytes.Repeat([]byte{9}, 32), Parts: 3}, {Algorithm: 3, Type: 1, Sum: bytes.Repeat([]byte{8}, 8)}},
		Meta:      sampleMeta(), Layout: Layout{Kind: LayoutExtents, Extents: sampleExtents(3)}, LayoutGen: 4, Parts: 3,
		PartSizes: []PartSize{{1, 8 << 20, []byte{1}}, {2, 8 << 20, nil}, {9, 8 << 20, []byte{3}}}, Origin: []byte("origin"),
	}
}

func sampleUpload() Upload {
	return Upload{Initiated: 1_700_000_000_123, Meta: sampleMeta(), Algorithm: 1, ChecksumType: 2}
}

func samplePart() Part {
	return Part{
		Number: 9, Blob: tid(3), Size: 12, MD5: tid(4), Checksum: Checksum{Algorithm: 1, Type: 1, Sum: []byte{1, 2, 3, 4}},
		Modified: 1_700_000_000_123, Layout: Layout{Kind: LayoutInline, Blob: tid(3)},
	}
}

func sampleManifest() Manifest {
	return Manifest{Parts: []PartSize{{1, 5 << 20, []byte{1, 2}}, {10000, 1, nil}}, Extents: sampleExtents(20)}
}

func sampleRecord() Record {
	return Record{ID: tid(5), State: RecordDeleting, Generation: 6, Owner: "owner", Created: 1_700_000_000_123, Region: "eu", Versioning: 1, Settings: []byte("s")}
}

func sampleAnswer() Answer {
	rec, row := sampleRecord(), BucketRow{Generation: 7, Closed: true, Versioning: 1, Settings: []byte("s")}
	return Answer{
		Status: PartChanged, Speaker: Speaker{Tablet: 1, Generation: 2, Start: []byte("s"), End: []byte("e"), Time: 3},
		Rev: 4, Modified: 5, VersionID: NullVersion, Existed: true, Bucket: &row, Record: &rec, Part: 6,
		Keys: []KeyAnswer{{StatusOK, true}, {NotFound, false}}, Detail: "d",
	}
}

func sampleActions() []Action {
	o, m, rec := sampleObject(), sampleManifest(), sampleRecord()
	size, mod := int64(-1), int64(0)
	cond := Condition{IfMatch: "*", IfAbsent: true, IfNotETag: "e", IfSize: &size, IfModified: &mod, IfRev: 3}
	return []Action{
		&PutObject{Object: o, Manifest: &m, Bytes: []byte("bytes"), If: cond},
		&DeleteObject{If: Condition{IfRev: 1}},
		&DeleteMany{Keys: []DeleteKey{{Key: "a"}, {Key: "b", If: cond}}},
		&CreateUpload{ID: tid(6), Upload: sampleUpload()},
		&PutPart{Upload: tid(6), Part: samplePart(), Manifest: &m, Bytes: []byte("b")},
		&Complete{Upload: tid(6), Parts: []NamedPart{{1, tid(7)}, {2, tid(8)}}, Object: o, If: cond},
		&Abort{Upload: tid(6)},
		&ReleaseDone{Release: releaseKey(tid(1), "k", 2, 3), Parts: []uint32{1, 300}, Last: true},
		&Empty{},
		&SetRecord{Old: RecordVersion{ID: tid(5), State: RecordActive, Generation: 5}, New: &rec},
		&SetRecord{Old: rec.Version()},
		&SetBucket{Row: rec.Row()},
	}
}

func sampleCommand(a Action) *Command {
	return &Command{
		Op: tid(9), Learned: 1_700_000_000_000, Repeat: true, Tablet: 3, Generation: 4, Bucket: tid(5), BucketGen: 6, Key: "k\x00ey",
		Stamp: 1_699_999_999_999, Action: a,
	}
}

func sampleRows() Rows {
	o := sampleObject()
	return Rows{
		Puts: []Put{
			{Key: currentKey(tid(5), "k\x00ey"), Value: encObject(&o)},
			{Key: bodyKey(tid(5), "k\x00ey", tid(1)), Payload: true},
		},
		Deletes: [][]byte{opKey(1_700_000_000_000, tid(9))}, Objects: -1, Bytes: 5,
	}
}

type goldenLine struct {
	name  string
	bytes []byte
}

// goldens has every row kind, the entry, every command and an answer.
func goldens() (out []goldenLine) {
	add := func(name string, b []byte) { out = append(out, goldenLine{name, b}) }
	o, u, p, m, rec := sampleObject(), sampleUpload(), samplePart(), sampleManifest(), sampleRecord()
	row, rel := rec.Row(), Release{Time: 5, Layout: Layout{Kind: LayoutUpload, Upload: tid(6)}, KeepListed: true}
	key := "k\x00ey"
	add("bucket key", bucketKey(tid(5)))
	add("bucket value", encBucketRow(&row))
	add("record key", recordKey("bucket/name"))
	add("record value", encRecord(&rec))
	add("current key", currentKey(tid(5), key))
	add("current value", encObject(&o))
	add("version key", append(versionPrefix(tid(5), key), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe))
	add("body key", bodyKey(tid(5), key, tid(1)))
	add("upload key", uploadKey(tid(5), key, tid(6)))
	add("upload value", encUpload(&u))
	add("part key", partKey(tid(5), key, tid(6), 9))
	add("part value", encPart(&p))
	add("manifest key", manifestKey(tid(5), key, tid(6)))
	add("manifest value", encManifest(&m))
	add("release key", releaseKey(tid(5), key, 300, 2))
	add("release value", encRelease(&rel))
	add("op key", opKey(1_700_000_000_000, tid(9)))
	rows := sampleRows()
	add("entry body", encodeRows(&rows))
	for i, a := range sampleActions() {
		add(fmt.Sprintf("command %d %T", i, a), EncodeCommand(sampleCommand(a)))
	}
	ans := sampleAnswer()
	add("answer (op value)", EncodeAnswer(&ans))
	return out
}

const goldenFile = "testdata/golden.txt"

// TestGolden: the bytes of a released format never change. A new field may add
// bytes to a sample that sets it; the old lines must still decode (TestGoldenDecodes).
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, g := range goldens() {
		fmt.Fprintf(&b, "%s: %s\n", g.name, hex.EncodeToString(g.bytes))
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(goldenFile, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func decodesAs[T any](t *testing.T, name string, want T, got *T, err error) {
	t.Helper()
	require.NoError(t, err, name)
	if diff := cmp.Diff(want, *got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestGoldenDecodes(t *testing.T) {
	file, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	lines := map[string][]byte{}
	for line := range strings.Lines(string(file)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		lines[name], err = hex.DecodeString(text)
		require.NoError(t, err)
	}
	rec := sampleRecord()
	o, err := decObject(lines["current value"])
	decodesAs(t, "object", sampleObject(), o, err)
	u, err := decUpload(lines["upload value"])
	decodesAs(t, "upload", sampleUpload(), u, err)
	p, err := decPart(lines["part value"])
	decodesAs(t, "part", samplePart(), p, err)
	m, err := decManifest(lines["manifest value"])
	decodesAs(t, "manifest", sampleManifest(), m, err)
	r, err := decRecord(lines["record value"])
	decodesAs(t, "record", rec, r, err)
	row, err := decBucketRow(lines["bucket value"])
	decodesAs(t, "bucket", rec.Row(), row, err)
	rel, err := decRelease(lines["release value"])
	decodesAs(t, "release", Release{Time: 5, Layout: Layout{Kind: LayoutUpload, Upload: tid(6)}, KeepListed: true}, rel, err)
	rows, err := DecodeRows(lines["entry body"])
	decodesAs(t, "entry", sampleRows(), &rows, err)
	ans, err := DecodeAnswer(lines["answer (op value)"])
	decodesAs(t, "answer", sampleAnswer(), &ans, err)
	for i, a := range sampleActions() {
		name := fmt.Sprintf("command %d %T", i, a)
		c, err := DecodeCommand(lines[name])
		decodesAs(t, name, *sampleCommand(a), c, err)
	}
	for name, b := range lines {
		if strings.HasSuffix(name, " key") {
			k, err := parseRowKey(b)
			require.NoError(t, err, name)
			require.Equal(t, strings.TrimSuffix(name, " key")+" row", k.kind.String())
		}
	}
}

func TestETagForms(t *testing.T) {
	for _, etag := range []string{
		"", "x", "000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f-10000", "000102030405060708090A0B0C0D0E0F",
		"000102030405060708090a0b0c0d0e0f-0", "000102030405060708090a0b0c0d0e0f-01", "000102030405060708090a0b0c0d0e0f-", "-1", "0001-2",
	} {
		o, err := decObject(encObject(&Object{ETag: etag}))
		require.NoError(t, err)
		require.Equal(t, etag, o.ETag)
	}
}

func TestUnknownFormatsStopTheReplica(t *testing.T) {
	o := sampleObject()
	good := encObject(&o)
	flagged := append([]byte{formatVersion, 0, 1}, good[3:]...)
	body := func(key, value []byte) []byte {
		return encodeRows(&Rows{Puts: []Put{{Key: key, Value: value}}})
	}
	_, err := DecodeRows(body(currentKey(tid(5), "k"), good))
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		"row with an incompatible flag": body(currentKey(tid(5), "k"), flagged),
		"row of another version":        body(currentKey(tid(5), "k"), append([]byte{2}, good[1:]...)),
		"unknown kind":                  body([]byte{0x60, 1, 2, 3}, good),
		"payload in another row":        encodeRows(&Rows{Puts: []Put{{Key: currentKey(tid(5), "k"), Payload: true}}}),
		"body without payload":          body(bodyKey(tid(5), "k", tid(1)), good),
		"entry with a flag":             append([]byte{formatVersion, 0, 1}, body(currentKey(tid(5), "k"), good)[3:]...),
		"delete of an unknown kind":     encodeRows(&Rows{Deletes: [][]byte{{0xEE}}}),
		"nothing":                       {},
	} {
		_, err := DecodeRows(b)
		var f *FormatError
		require.ErrorAs(t, err, &f, name)
	}
	// A compatible flag and an unknown field are passed over.
	compatible := append([]byte{formatVersion, 1, 0}, good[3:]...)
	e := &enc{b: compatible}
	e.str(99, "new")
	got, err := decObject(e.b)
	require.NoError(t, err)
	require.Equal(t, o.ETag, got.ETag)
	layout := newValue()
	layout.msg(9, func(e *enc) { e.uint(1, uint64(LayoutCoded)) })
	_, err = decObject(layout.b)
	require.Error(t, err, "a reserved layout")
}

func TestKeyOrder(t *testing.T) {
	keys := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xff", "\xff\xff"}
	for _, kind := range ownedKinds {
		if kind == kindBucket {
			continue
		}
		for i := range keys[1:] {
			lo, hi := ownerPrefix(kind, tid(5), keys[i], 0), ownerPrefix(kind, tid(5), keys[i+1], 0)
			require.Negative(t, bytes.Compare(lo, hi), "%s: %q %q", kind, keys[i], keys[i+1])
			// bound divides owners: below it are smaller keys, whatever follows them.
			b := bound(kind, chain.OwnerKey(tid(5), keys[i+1]))
			tail := append(bytes.Clone(lo), bytes.Repeat([]byte{0xff}, 20)...)
			if kind.escaped() {
				require.Negative(t, bytes.Compare(tail, b), "%s: %q %q", kind, keys[i], keys[i+1])
			}
			require.LessOrEqual(t, bytes.Compare(b, hi), 0)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldens() {
		f.Add(g.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := parseRowKey(b); err == nil {
			owner, ok, err := RowOwner(b)
			if err != nil || ok == (k.kind == kindOp) {
				t.Fatalf("owner of %q: %v %v", b, ok, err)
			}
			if ok && string(owner[16:]) != k.key {
				t.Fatalf("owner %q, key %q", owner, k.key)
			}
		}
		if rows, err := DecodeRows(b); err == nil {
			if len(rows.Puts)+len(rows.Deletes) > 2*maxEntryRows {
				t.Fatal("too many rows")
			}
			again, err := DecodeRows(encodeRows(&rows))
			if err != nil || !cmp.Equal(rows, again, cmpopts.EquateEmpty()) {
				t.Fatalf("rows do not survive: %v", err)
			}
		}
		if c, err := DecodeCommand(b); err == nil {
			c.check()
			again, err := DecodeCommand(EncodeCommand(c))
			if err != nil || !cmp.Equal(c, again, cmpopts.EquateEmpty()) {
				t.Fatalf("command does not survive: %v", err)
			}
		}
		if a, err := DecodeAnswer(b); err == nil {
			if again, err := DecodeAnswer(EncodeAnswer(&a)); err != nil || !cmp.Equal(a, again, cmpopts.EquateEmpty()) {
				t.Fatalf("answer does not survive: %v", err)
			}
		}
		decodeAll(b)
	})
}

// decodeAll must not panic, whatever it gets.
func decodeAll(b []byte) {
	decObject(b)
	decUpload(b)
	decPart(b)
	decManifest(b)
	decRelease(b)
	decBucketRow(b)
	decRecord(b)
}

// FuzzCheckedCommandsMakeReadableRows: what check passes never makes an entry
// that a replica cannot read.
func FuzzCheckedCommandsMakeReadableRows(f *testing.F) {
	for _, a := range sampleActions() {
		f.Add(EncodeCommand(sampleCommand(a)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCommand(b)
		if err != nil || c.check() != "" {
			return
		}
		switch a := c.Action.(type) {
		case *PutObject:
			if _, err := decObject(encObject(&a.Object)); err != nil {
				t.Fatal(err)
			}
			if a.Manifest != nil {
				if _, err := decManifest(encManifest(a.Manifest)); err != nil {
					t.Fatal(err)
				}
			}
		case *PutPart:
			if _, err := decPart(encPart(&a.Part)); err != nil {
				t.Fatal(err)
			}
		case *CreateUpload:
			if _, err := decUpload(encUpload(&a.Upload)); err != nil {
				t.Fatal(err)
			}
		case *SetRecord:
			if a.New != nil {
				if _, err := decRecord(encRecord(a.New)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
