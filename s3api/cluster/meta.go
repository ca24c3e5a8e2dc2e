package cluster

import (
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/objects"
)

// headerFields pairs the stored name of each standard header with its field.
func headerFields(h *objects.Headers) []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"Content-Type", &h.ContentType}, {"Content-Encoding", &h.ContentEncoding}, {"Content-Disposition", &h.ContentDisposition},
		{"Content-Language", &h.ContentLanguage}, {"Cache-Control", &h.CacheControl}, {"Expires", &h.Expires},
		{"x-amz-website-redirect-location", &h.WebsiteRedirect},
	}
}

func metaToRow(m objects.Meta) tablet.Meta {
	out := tablet.Meta{Owner: m.Owner, StorageClass: m.StorageClass}
	for _, f := range headerFields(&m.Headers) {
		if *f.value != "" {
			out.Headers = append(out.Headers, tablet.Pair{Name: f.name, Value: *f.value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.User)) {
		out.User = append(out.User, tablet.Pair{Name: name, Value: m.User[name]})
	}
	return out
}

func metaOfRow(m *tablet.Meta) objects.Meta {
	out := objects.Meta{Owner: m.Owner, StorageClass: m.StorageClass}
	fields := headerFields(&out.Headers)
	for _, p := range m.Headers {
		for _, f := range fields {
			if f.name == p.Name {
				*f.value = p.Value
			}
		}
	}
	if len(m.User) > 0 {
		out.User = make(map[string]string, len(m.User))
		for _, p := range m.User {
			out.User[p.Name] = p.Value
		}
	}
	return out
}

func algorithm(a objects.Algorithm) checksum.Algorithm {
	v, _ := checksum.ParseAlgorithm(string(a))
	return v
}

func checksumToRow(c objects.Checksum) tablet.Checksum {
	sum, err := base64.StdEncoding.DecodeString(c.Value)
	a := algorithm(c.Algorithm)
	if err != nil || a == checksum.None {
		return tablet.Checksum{}
	}
	t, _ := checksum.ParseType(string(c.Type))
	return tablet.Checksum{Algorithm: uint8(a), Type: uint8(t), Sum: sum}
}

func checksumsToRow(c objects.Checksum, parts int) []tablet.Checksum {
	row := checksumToRow(c)
	if row.Algorithm == 0 {
		return nil
	}
	if row.Type == uint8(checksum.Composite) {
		row.Parts = uint32(parts)
	}
	return []tablet.Checksum{row}
}

func checksumOfRow(c *tablet.Checksum) objects.Checksum {
	if c.Algorithm == 0 {
		return objects.Checksum{}
	}
	return objects.Checksum{
		Algorithm: objects.Algorithm(checksum.Algorithm(c.Algorithm).String()),
		Type:      objects.ChecksumType(checksum.Type(c.Type).String()),
		Value:     base64.StdEncoding.EncodeToString(c.Sum),
	}
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// infoOfRow describes an object; parts may be nil where they are not asked for.
func infoOfRow(bucket, key string, o *tablet.Object, parts []tablet.PartSize) objects.Info {
	info := objects.Info{
		Bucket: bucket, Key: key, VersionID: o.VersionID, Size: o.Size, ETag: o.ETag, Modified: millis(o.Modified),
		Meta: metaOfRow(&o.Meta), Parts: int(o.Parts),
	}
	if len(o.Checksums) > 0 {
		info.Checksum = checksumOfRow(&o.Checksums[0])
	}
	for _, p := range parts {
		pi := objects.PartInfo{Number: int(p.Number), Size: p.Size}
		if len(p.Sum) > 0 && len(o.Checksums) > 0 {
			pi.Checksum = checksumOfRow(&tablet.Checksum{Algorithm: o.Checksums[0].Algorithm, Type: uint8(checksum.FullObject), Sum: p.Sum})
		}
		info.PartInfos = append(info.PartInfos, pi)
	}
	return info
}

func conditionToRow(c objects.Condition) tablet.Condition {
	out := tablet.Condition{IfMatch: c.IfMatch, IfSize: c.IfSize}
	switch c.IfNoneMatch {
	case "":
	case "*":
		out.IfAbsent = true
	default:
		out.IfNotETag = c.IfNoneMatch
	}
	if c.IfModified != nil {
		ms := c.IfModified.UnixMilli()
		out.IfModified = &ms
	}
	return out
}
