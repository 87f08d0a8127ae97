package meshtest_test

import (
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestConformance(t *testing.T) {
	meshtest.Conformance(t, func(t *testing.T, machines []meshtest.Machine) meshtest.Fabric {
		return meshtest.New(t, geotest.StoppedClock(start), machines...)
	})
}
