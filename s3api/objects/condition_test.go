package objects

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSourceConditionHolds(t *testing.T) {
	at := time.Date(2026, 5, 1, 10, 0, 0, 500e6, time.UTC)
	before, same, after := at.Add(-time.Hour), at.Truncate(time.Second), at.Add(time.Hour)
	for name, tc := range map[string]struct {
		c    SourceCondition
		want bool
	}{
		"none":                                   {SourceCondition{}, true},
		"match":                                  {SourceCondition{IfMatch: "e"}, true},
		"match any":                              {SourceCondition{IfMatch: "*"}, true},
		"match other":                            {SourceCondition{IfMatch: "x"}, false},
		"none match other":                       {SourceCondition{IfNoneMatch: "x"}, true},
		"none match same":                        {SourceCondition{IfNoneMatch: "e"}, false},
		"none match any":                         {SourceCondition{IfNoneMatch: "*"}, false},
		"modified since before":                  {SourceCondition{IfModifiedSince: before}, true},
		"modified since the very second":         {SourceCondition{IfModifiedSince: same}, false},
		"modified since after":                   {SourceCondition{IfModifiedSince: after}, false},
		"unmodified since after":                 {SourceCondition{IfUnmodified: after}, true},
		"unmodified since the very second":       {SourceCondition{IfUnmodified: same}, true},
		"unmodified since before":                {SourceCondition{IfUnmodified: before}, false},
		"match wins over unmodified":             {SourceCondition{IfMatch: "e", IfUnmodified: before}, true},
		"none match wins over modified":          {SourceCondition{IfNoneMatch: "e", IfModifiedSince: before}, false},
		"match does not save from none match":    {SourceCondition{IfMatch: "e", IfNoneMatch: "e"}, false},
		"unmodified does not save from modified": {SourceCondition{IfUnmodified: after, IfModifiedSince: after}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.c.Holds("e", at)) })
	}
}
