package sigv4

import (
	"strings"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
)

// headersInQuery finds the headers that a presigned query carries as parameters ("hoisted", as
// SDKs call it) and that are of a wanted name. A header line beside such a
// parameter must say the same, and is then the one that counts.
func headersInQuery(q route.Query, lines head.Fields, wanted func(lower string) bool) (head.Fields, error) {
	var found head.Fields
	for i := range q {
		name := strings.ToLower(q[i].Name)
		if !wanted(name) {
			continue
		}
		// A line break or a colon in the wrong place would make one header look like two.
		if !isToken(name) || hasControl(q[i].Value) {
			return nil, s3err.Newf(s3err.InvalidArgument, "A header in the query is malformed.").With("ArgumentName", "x-amz-*")
		}
		value := strings.Trim(q[i].Value, " \t")
		switch {
		case found.Has(name):
			return nil, s3err.Newf(s3err.InvalidArgument, "The parameter "+name+" was given more than once.").With("ArgumentName", name)
		case !lines.Has(name):
			found = append(found, head.Field{Name: name, Value: value})
		case lines.Joined(name) != value:
			return nil, s3err.Newf(s3err.InvalidArgument, "The header "+name+" and the parameter of its name differ.").With("ArgumentName", name)
		}
	}
	return found, nil
}

// countsAsHeader says whether a parameter is to be taken as a header. What belongs to the signature
// is not. Nor are checksums of the body, which Amazon ignores in a query: the SDK
// for JavaScript signs the checksum of no body into every URL for an upload.
func countsAsHeader(lower string) bool {
	switch lower {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-signedheaders", "x-amz-expires",
		"x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-sdk-checksum-algorithm":
		return false
	case "x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type", "content-md5", "content-type":
		return true
	}
	return strings.HasPrefix(lower, "x-amz-") && !strings.HasPrefix(lower, "x-amz-checksum-")
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return (c < ' ' && c != '\t') || c == 0x7f })
}
