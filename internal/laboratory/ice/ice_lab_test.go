//go:build lab

package ice_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/laboratory/ice"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: ice.Stores}}

func TestMain(m *testing.M) { lab.Main(m) }

// The order of the guide, with its trap: the first site hangs until the others' credentials are there.
func TestInstalledAsTheGuideHasIt(t *testing.T) {
	i := ice.On(t, lab.Up(t))
	i.Install()
	_ = strings.Join
}
