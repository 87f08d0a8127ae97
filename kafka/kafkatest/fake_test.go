package kafkatest_test

import (
	"testing"

	"github.com/georedkit/georedkit/kafka/kafkatest"
)

func TestConformanceOfTheFake(t *testing.T) {
	kafkatest.Conformance(t, kafkatest.New(t))
}
