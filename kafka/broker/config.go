package broker

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// configure asks for an API that brokers from 2.8 on speak: the first whose metadata carries the identity of topics.
func configure(access kafka.Access, timeout time.Duration) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "georedkit"
	c.Version = sarama.V2_8_0_0
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = timeout, timeout, timeout
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 1, 100*time.Millisecond
	c.Metadata.AllowAutoTopicCreation = false // asking makes nothing
	c.Admin.Timeout, c.Admin.Retry.Max = timeout, 1
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max = 1
	if access.TLS != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, access.TLS
	}
	if access.SASL != nil {
		authenticate(c, *access.SASL)
	}
	return c
}
