package s3api

import (
	"sort"
	"strings"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
)

// maxUserMeta bounds names and values of x-amz-meta-* together (Amazon's 2 KB).
const maxUserMeta = 2048

const metaPrefix = "x-amz-meta-"

// metaOf reads what a request says of the object that it makes.
func metaOf(req *edge.Request) (objects.Meta, error) {
	m := objects.Meta{
		Headers: objects.Headers{
			ContentType:        req.Header.Joined("content-type"),
			ContentEncoding:    withoutAWSChunked(req.Header.Joined("content-encoding")),
			ContentDisposition: req.Header.Joined("content-disposition"),
			ContentLanguage:    req.Header.Joined("content-language"),
			CacheControl:       req.Header.Joined("cache-control"),
			Expires:            req.Header.Get("expires"),
			WebsiteRedirect:    req.Header.Get("x-amz-website-redirect-location"),
		},
		Owner: req.Principal.ID,
	}
	if r := m.Headers.WebsiteRedirect; r != "" && !validRedirect(r) {
		return m, s3err.InvalidArg("x-amz-website-redirect-location", r,
			"The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	return m, userMeta(req, &m)
}

func validRedirect(s string) bool {
	return len(s) <= 2048 && (strings.HasPrefix(s, "/") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://"))
}

func userMeta(req *edge.Request, m *objects.Meta) error {
	size := 0
	req.Header.WithPrefix(metaPrefix, func(name, value string) {
		name = name[len(metaPrefix):]
		if m.User == nil {
			m.User = map[string]string{}
		}
		if old, ok := m.User[name]; ok { // a repeated header is one list (RFC 9110 5.3)
			value = old + "," + value
			size -= len(name) + len(old)
		}
		m.User[name] = value
		size += len(name) + len(value)
	})
	if _, empty := m.User[""]; empty {
		return s3err.InvalidArg(metaPrefix, "", "A metadata header has no name.")
	}
	if size > maxUserMeta {
		return s3err.New(s3err.MetadataTooLarge).With("MaxSizeAllowed", itoa(maxUserMeta)).With("Size", itoa(int64(size)))
	}
	return nil
}

// withoutAWSChunked takes the framing of the upload off a Content-Encoding; the rest
// stays as it came.
func withoutAWSChunked(v string) string {
	if !strings.Contains(lower(v), "aws-chunked") {
		return v
	}
	var keep []string
	for _, c := range strings.Split(v, ",") {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "aws-chunked") {
			keep = append(keep, c)
		}
	}
	return strings.Join(keep, ", ")
}

// setMeta writes the stored headers, as GET and HEAD return them.
func setMeta(r *edge.Response, m objects.Meta) {
	h := m.Headers
	if h.ContentType == "" {
		h.ContentType = "binary/octet-stream"
	}
	for _, f := range []edge.Header{
		{Name: "Content-Type", Value: h.ContentType},
		{Name: "Content-Encoding", Value: h.ContentEncoding},
		{Name: "Content-Disposition", Value: h.ContentDisposition},
		{Name: "Content-Language", Value: h.ContentLanguage},
		{Name: "Cache-Control", Value: h.CacheControl},
		{Name: "Expires", Value: h.Expires},
		{Name: "x-amz-website-redirect-location", Value: h.WebsiteRedirect},
	} {
		if f.Value != "" {
			r.Set(f.Name, f.Value)
		}
	}
	names := make([]string, 0, len(m.User))
	for name := range m.User {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		r.Set(metaPrefix+name, m.User[name])
	}
	if m.StorageClass != "" && m.StorageClass != "STANDARD" {
		r.Set("x-amz-storage-class", m.StorageClass)
	}
}

// overrides applies the response-* parameters. They are part of what was signed, because
// anonymous requests do not come here.
func overrides(req *edge.Request, r *edge.Response) error {
	for _, o := range []struct{ param, header string }{
		{"response-content-type", "Content-Type"},
		{"response-content-language", "Content-Language"},
		{"response-expires", "Expires"},
		{"response-cache-control", "Cache-Control"},
		{"response-content-disposition", "Content-Disposition"},
		{"response-content-encoding", "Content-Encoding"},
	} {
		v, ok := req.Query.Lookup(o.param)
		if !ok {
			continue
		}
		if !safeHeaderValue(v) {
			return s3err.InvalidArg(o.param, v, "The value cannot be sent as a header.")
		}
		r.Set(o.header, v)
	}
	return nil
}

// safeHeaderValue refuses what would split a header or be refused by the
// server when it is sent.
func safeHeaderValue(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
