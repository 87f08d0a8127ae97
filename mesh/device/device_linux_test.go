package device_test

import (
	"testing"

	"github.com/georedkit/georedkit/mesh/meshtest"
)

func TestConformance(t *testing.T) {
	meshtest.Conformance(t, func(t *testing.T, machines []meshtest.Machine) meshtest.Fabric { return newFabric(t, machines) })
}
