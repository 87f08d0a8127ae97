package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// several is the name of the question that is made of others. Its answer is a reply to each, in their order.
const several = "several"

// named is one of several questions.
type named struct {
	Name     string          `json:"name"`
	Question json.RawMessage `json:"question"`
}

// atOnce is how many questions go together at most, and how many of several are answered side by side.
const atOnce = 64

func answerSeveral(ctx context.Context, handlers map[string]Handler, text []byte) ([]reply, error) {
	var questions []named
	if err := json.Unmarshal(text, &questions); err != nil {
		return nil, fmt.Errorf("question: %w", err)
	}
	replies := make([]reply, len(questions))
	var answered sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, q := range questions {
		slots <- struct{}{}
		answered.Add(1)
		go func() {
			defer answered.Done()
			replies[i] = replyTo(ctx, handlers, q.Name, q.Question)
			<-slots
		}()
	}
	answered.Wait()
	return replies, nil
}
