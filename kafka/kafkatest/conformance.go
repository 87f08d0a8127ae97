package kafkatest

import "testing"

// Conformance holds a deployment of two sites or more to what package kafka promises of it: every fault is first shown
// to bite, then found, then cured where it can be. It uses topics of its own in the first two sites and takes a few
// minutes on real servers. Tests run one after another.
func Conformance(t *testing.T, d Deployment) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"CopiesUpToTheEnd", copiesUpToTheEnd},
		{"PausedConnector", pausedConnector},
		{"TransactionMarks", transactionMarks},
		{"RetentionGap", retentionGap},
		{"RetentionGapUnseen", retentionGapUnseen},
		{"RecreatedLongerWhileStopped", recreatedLongerWhileStopped},
		{"RecreatedShorterWhileRunning", recreatedShorterWhileRunning},
		{"RecreatedShorterWhileStopped", recreatedShorterWhileStopped},
		{"CopyDeleted", copyDeleted},
		{"TaskFailedUnderRunning", taskFailedUnderRunning},
		{"LinkCut", linkCut},
		{"BrokerPaused", brokerPaused},
		{"BrokerKilled", brokerKilled},
		{"WorkerPaused", workerPaused},
		{"WorkerKilled", workerKilled},
		{"WorkerKilledInMidCopy", workerKilledInMidCopy},
		{"WorkerStartedDuringCut", workerStartedDuringCut},
		{"RestartByAnnotation", restartByAnnotation},
		{"RestartOfWorkers", restartOfWorkers},
		{"Groups", groups},
		{"Canaries", canaries},
		{"CanaryDoesNotArrive", canaryDoesNotArrive},
		{"Remirror", remirror},
		{"OutageLimits", outageLimits},
		{"LossIsDated", lossIsDated},
		{"IdentityLoop", identityLoop},
		{"UnknownAlias", unknownAlias},
		{"WhatEachSays", whatEachSays},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newSuite(t, d)) })
	}
}
