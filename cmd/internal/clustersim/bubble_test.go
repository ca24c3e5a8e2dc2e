package clustersim

import (
	"testing"

	"catena/objectd/bubbletest"
)

// bubble runs f where time costs nothing, and where stores may fail.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	bubbletest.Run(t, f)
}
