package s3err

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryCodeHasStatusAndMessage(t *testing.T) {
	for code, status := range map[Code]int{
		AccessDenied: 403, NoSuchKey: 404, NoSuchVersion: 404, InvalidURI: 400, MethodNotAllowed: 405, MissingContentLength: 411,
		PreconditionFailed: 412, URITooLong: 414, InvalidRange: 416, ExpectationFailed: 417, InternalError: 500, NotImplemented: 501,
		SlowDown: 503, HTTPVersionNotSupported: 505, InsufficientStorage: 507, InvalidChunkSizeError: 400, RequestTimeout: 400,
		RequestHeaderSectionTooLarge: 400, NotModified: 304,
	} {
		e := New(code)
		require.Equal(t, status, e.Status, code)
		require.NotEmpty(t, e.Message)
	}
	require.Equal(t, 500, New("NoSuchCodeAtAll").Status)
}

func TestErrorsAreNotChanged(t *testing.T) {
	base := New(NoSuchKey).With("Key", "k")
	a, b := base.With("A", "1"), base.With("B", "2")
	require.Equal(t, []Field{{"Key", "k"}}, base.Extra)
	require.Equal(t, []Field{{"Key", "k"}, {"A", "1"}}, a.Extra)
	require.Equal(t, []Field{{"Key", "k"}, {"B", "2"}}, b.Extra)
	closing := base.Closing().WithHeader("Retry-After", "1").WithMessage("m")
	require.True(t, closing.Close)
	require.False(t, base.Close)
	require.Empty(t, base.Headers)
	require.NotEqual(t, "m", base.Message)
}

func TestFrom(t *testing.T) {
	require.Nil(t, From(nil))
	require.Equal(t, NoSuchKey, From(fmt.Errorf("get: %w", New(NoSuchKey))).Code)
	e := From(io.ErrUnexpectedEOF)
	require.Equal(t, InternalError, e.Code)
	require.ErrorIs(t, e, io.ErrUnexpectedEOF)
	require.Contains(t, e.Error(), "unexpected EOF")
	require.NotContains(t, e.Message, "EOF")
	require.ErrorIs(t, New(NoSuchKey).With("a", "b"), New(NoSuchKey))
	require.NotErrorIs(t, New(NoSuchKey), New(NoSuchBucket))
	require.True(t, Is(errors.Join(io.EOF, New(SlowDown)), SlowDown))
	require.False(t, Is(io.EOF, SlowDown))
}

// TestTableHasEveryCode: the rows are the constants, in the order that the search
// needs.
func TestTableHasEveryCode(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	require.NoError(t, err)
	var codes, rows []string
	for _, m := range regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		codes = append(codes, m[1])
	}
	for _, d := range descriptions {
		rows = append(rows, string(d.code))
		require.True(t, d.status >= 300 && d.status < 600, d.code)
		require.NotEmpty(t, d.message, d.code)
		got, ok := describe(d.code)
		require.True(t, ok, d.code)
		require.Equal(t, d, got)
	}
	require.Greater(t, len(codes), 80)
	slices.Sort(codes)
	require.Equal(t, codes, rows)
	_, ok := describe("NoSuchThing")
	require.False(t, ok)
}
