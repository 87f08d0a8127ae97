package strimzi

import (
	"fmt"

	"github.com/georedkit/georedkit/kafka/connect"
)

// Annotation is a name and a value to be set on a KafkaMirrorMaker2 resource. The operator acts on it at its next
// reconciliation and takes it away when it has accepted it; on a fault it sets a Warning condition instead. It takes one
// value at a time.
type Annotation struct{ Name, Value string }

// RestartConnector asks the operator to restart a connector.
func RestartConnector(name string, o connect.RestartOptions) Annotation {
	value := name
	if o.IncludeTasks {
		value += ":includeTasks"
	}
	if o.OnlyFailed {
		if !o.IncludeTasks {
			value += ":"
		} else {
			value += ","
		}
		value += "onlyFailed"
	}
	return Annotation{"strimzi.io/restart-connector", value}
}

// RestartTask asks the operator to restart one task of a connector.
func RestartTask(connector string, task int) Annotation {
	return Annotation{"strimzi.io/restart-connector-task", fmt.Sprintf("%s:%d", connector, task)}
}
