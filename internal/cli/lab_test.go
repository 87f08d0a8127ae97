package cli

import "testing"

func TestFarewell(t *testing.T) {
	s := &session{Options: Options{Lab: "demo", Whole: true}}
	const end = "end it with: go run -C internal/lab . down -name demo -purge\n"
	if got := s.farewell("/x/dc1.kubeconfig"); got != "the laboratory goes on: KUBECONFIG=/x/dc1.kubeconfig\n"+end {
		t.Errorf("%q", got)
	}
	s.Next = func(lab string, whole bool) []Next {
		return []Next{{"look", "look at " + lab}, {"recover", map[bool]string{true: "all of it"}[whole]}}
	}
	if got := s.farewell("/x"); got != "the laboratory goes on: KUBECONFIG=/x\n  look      look at demo\n  recover   all of it\n"+end {
		t.Errorf("%q", got)
	}
}
