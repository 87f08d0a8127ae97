package broker

import (
	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"github.com/georedkit/georedkit/kafka"
)

func authenticate(c *sarama.Config, s kafka.SASL) {
	c.Net.SASL.Enable = true
	c.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	c.Net.SASL.User, c.Net.SASL.Password = s.User, s.Password.Reveal()
	switch s.Mechanism {
	case kafka.ScramSHA256:
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &exchange{hash: scram.SHA256} }
	case kafka.ScramSHA512:
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &exchange{hash: scram.SHA512} }
	}
}

// exchange is one SCRAM conversation (RFC 5802), as sarama wants it.
type exchange struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (e *exchange) Begin(user, password, authzID string) error {
	client, err := e.hash.NewClient(user, password, authzID)
	if err != nil {
		return err
	}
	e.ClientConversation = client.NewConversation()
	return nil
}
