# The two commands to know: `make demo` and `make test`. Both install what is missing (Debian, root).

GO          ?= go
STATICCHECK  = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.6.1
IMAGE       ?= georedkit/probe:latest
APIDIFF      = golang.org/x/exp/cmd/apidiff@v0.0.0-20250620022241-b7579e27df2b
MODULES      = geored/otel geored/otel/traces internal/consumer # modules of their own that need no laboratory
LIBRARIES    = ./geored/... ./mesh/... ./dnsfed/... ./creds/... ./cassandra/... ./kafka/... ./objectstore/...

.PHONY: setup demo check static beside format vet staticcheck unit cross test capabilities race lab sites stores drill bench bench-growth crds weight image apidiff tidy

setup: ## install Debian packages and build the laboratory
	@$(GO) run -C internal/lab . setup

demo: ## two real sites on this machine, the product installed over both, and proven
	@$(GO) run -C internal/lab . setup -stores ice
	@$(GO) run ./examples/ice-install -whole

check: static unit ## all that needs neither root nor a laboratory

static: format vet staticcheck cross apidiff

format:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }

vet:
	@$(GO) vet ./...
	@$(GO) vet -tags lab ./...
	@$(GO) vet -C internal/lab ./...
	@$(GO) vet -C internal/lab/labtest ./...
	@for m in $(MODULES); do $(GO) vet -C $$m ./... || exit 1; done

staticcheck:
	@$(STATICCHECK) -tags lab ./...
	@cd internal/lab && $(STATICCHECK) ./...
	@cd internal/lab/labtest && $(STATICCHECK) ./...
	@for m in $(MODULES); do (cd $$m && $(STATICCHECK) ./...) || exit 1; done

unit:
	@$(GO) test -parallel 8 ./...
	@for m in $(MODULES); do $(GO) test -C $$m ./... || exit 1; done

beside: ## the unit tests that the race detector does not see
	@$(GO) test -parallel 8 . ./examples/... ./internal/...
	@for m in $(MODULES); do $(GO) test -C $$m ./... || exit 1; done

tidy: ## after a change of go.mod: the modules beside the SDK follow
	@$(GO) mod tidy
	@for m in $(MODULES); do (cd $$m && $(GO) mod tidy) || exit 1; done

apidiff: ## what changed since the last tag that breaks importers; before v1 it is told, after it fails
	@GO="$(GO)" APIDIFF="$(APIDIFF)" internal/apidiff.sh

cross: ## the SDK is compiled for all systems its users have
	@for os in darwin windows; do GOOS=$$os $(GO) build $(LIBRARIES) || exit 1; done

# Each phase of the whole test prints its time.
phase = @began=$$(date +%s); echo "=== $(1)"; $(MAKE) --no-print-directory $(1) || exit 1; echo "=== $(1) took $$(( $$(date +%s) - began )) s"

test: ## everything, as CI runs it
	$(call phase,setup)
	$(call phase,capabilities)
	$(call phase,static)
	$(call phase,beside)
	$(call phase,race)
	$(call phase,lab)
	$(call phase,sites)
	$(call phase,stores)

capabilities:
	@$(GO) run -C internal/lab . check

race: ## compiled side by side, run one package after another: what the fakes wait for is real time
	@$(GO) test -race -run '^$$' $(LIBRARIES) ./internal/cli/... >/dev/null || true # the next says why
	@$(GO) test -race -p 1 -parallel 8 $(LIBRARIES) ./internal/cli/...

lab: ## the laboratory's own tests
	@$(GO) test -C internal/lab ./...
	@$(GO) test -C internal/lab/labtest -count=1 -timeout 20m ./...

# What CI takes turns with goes by the number of commits.
COUNT = $(shell git rev-list --count HEAD)

# What takes longest on real sites takes turns in CI, a quarter with each commit; the drill runs all of it.
TURN   = $(shell expr $(COUNT) % 4)
TURN_0 = TestThreeSites|TestDriftIsTold
TURN_1 = TestKilledAtAnyMoment|TestALaboratoryThatWasKilledComesBack|TestKiloJoinsSites
TURN_2 = TestKilledInEveryStep|TestJournalInTwoClusters
REST_0 = $(TURN_1)|$(TURN_2)
REST_1 = $(TURN_0)|$(TURN_2)
REST_2 = $(TURN_0)|$(TURN_1)
REST_3 = $(TURN_0)|$(TURN_1)|$(TURN_2)

# The fourth turn is the product whole: an outage, an upgrade, a program that is killed on its way, or checks that miss an answer,
# another each time; the drill retention-unseen needs one before it.
WHOLES = link-cut upgrade hint-window retention one-way killed-install worker-in-the-cut worker-restarted cassandra-restarted \
	power-cut killed-recovery freeze credentials dns-at-start index-wiped killed-upgrade objects-wiped mtu-hole gc-grace cut-again answers
WHOLE  = $(word $(shell expr $(COUNT) / 4 % $(words $(WHOLES)) + 1),$(WHOLES))
WHOLE_PART = $(shell expr $(COUNT) / 4 / $(words $(WHOLES)) % 16)/16
TEST_upgrade         = '^TestUpgradeAndBack$$' ./examples/ice-upgrade
TEST_answers         = '^TestEveryAnswerCounts$$' ./examples/ice-install
TEST_killed-install  = '^TestWholeKilledInEveryStep$$' ./examples/ice-install
TEST_killed-recovery = '^TestRecoveryKilledInEveryStep$$' ./examples/ice-recover
TEST_killed-upgrade  = '^TestUpgradeKilledInEveryStep$$' ./examples/ice-upgrade

# Faults of the network half that take long: for the drill alone.
FAULTS = TestNodesComeAndGo|TestEveryFaultIsFound|TestABareReplacementLosesAnswers|TestATokenWhoseLifeIsOverIsFound|TestSeveralAPIServers

# The product whole, with its stores: for the drill alone.
DRILL  = $(FAULTS)|TestICE|TestWholeInstall|TestEveryAnswerCounts|TestUpgradeAndBack|TestRecoverAfterACut|TestDrills

# The programs killed on the way through the product; for the drill alone, a sixteenth of the points each time: each kill costs
# the next run a look at everything. DRILL_PART=0/1 takes all.
KILLS      = TestWholeKilledInEveryStep|TestRecoveryKilledInEveryStep|TestUpgradeKilledInEveryStep
DRILL_PART = $(shell expr $(COUNT) % 16)/16

# The points at which CI kills a program: a sixteenth, others each time.
KILL_PART = $(shell expr $(COUNT) / 4 % 16)/16

sites: ## the SDK and its programs on real sites
	@GEOREDKIT_KILL_PART=$(KILL_PART) $(GO) test -tags lab -count=1 -p 1 -timeout 30m -skip '^($(REST_$(TURN))|$(DRILL)|$(KILLS))$$' \
		./geored/... ./mesh/... ./dnsfed/... ./creds/... ./examples/ice-...
	@test $(TURN) != 3 || GEOREDKIT_KILL_PART=$(WHOLE_PART) $(GO) test -tags lab -count=1 -timeout 25m -v \
		-run $(or $(TEST_$(WHOLE)),'^TestDrills$$/^$(WHOLE)$$' ./examples/ice-recover)

# The parts of the long store suites that CI runs on real servers.
KAFKA_SAMPLE = CopiesUpToTheEnd|TransactionMarks|RetentionGap|RecreatedLongerWhileStopped|LinkCut|WorkerPaused|Groups|Canaries|Remirror

# Of the faults of a Cassandra ring CI brings about one, another with each commit. The drill takes them all.
CASSANDRA_FAULTS = rows/a_count_at_ONE rows/one_row_missing rows/one_cell_different rows/hints_on_their_way \
	repair/Merkle_trees repair/hint_window_passed repair/a_deletion_that repair/rows_of_one_node_lost \
	nodes/node_paused nodes/node_stopped$$ nodes/link_between nodes/schema_split nodes/table_dropped nodes/node_stopped_during \
	addresses/node_back types
CASSANDRA_PART   = $(word $(shell expr $(COUNT) % $(words $(CASSANDRA_FAULTS)) + 1),$(CASSANDRA_FAULTS))

stores: ## objectstore on real MinIO and versitygw and on MinIO in two sites; parts of the suites of Cassandra and Kafka
	@$(GO) test -tags lab -count=1 -p 1 -timeout 30m -skip '^TestMirrorThatIsDeaf$$' ./objectstore/...
	@$(GO) test -tags lab -count=1 -timeout 15m -run 'TestFaultsOfCI|TestLive41/conform|TestLive41/$(CASSANDRA_PART)' ./cassandra/cassandratest
	@$(GO) test -tags lab -count=1 -timeout 10m -run 'OfRealServers/^($(KAFKA_SAMPLE))$$' ./kafka/kafkatest

drill: stores ## the store suites on real servers whole, Cassandra's and Kafka's too, the programs killed in their steps, ice-recover after outages: some hours
	@$(GO) test -tags lab -count=1 -timeout 60m -run '^TestMirrorThatIsDeaf$$' ./objectstore/s3
	@$(GO) test -tags lab -count=1 -p 1 -timeout 60m ./cassandra/...
	@GEOREDKIT_CASSANDRA=5.0 $(GO) test -tags lab -count=1 -timeout 30m ./cassandra/kube
	@$(GO) test -tags lab -count=1 -p 1 -timeout 60m ./kafka/...
	@$(GO) test -tags lab -count=1 -p 1 -timeout 90m -run '^($(TURN_0)|$(TURN_1)|$(TURN_2)|$(DRILL))$$' \
		./geored/... ./mesh/... ./dnsfed/... ./creds/... ./examples/... ./internal/laboratory/ice
	@GEOREDKIT_KILL_PART=$(DRILL_PART) $(GO) test -tags lab -count=1 -p 1 -timeout 120m -run '^($(KILLS))$$' ./examples/...

bench: ## ratios to a floor measured in the same run
	@$(GO) test -run '^$$' -bench . -benchtime 3x ./geored/... ./mesh/...
	@$(GO) test -tags lab -run '^$$' -bench StepEnds -benchtime 60x -timeout 20m ./mesh/kube
	@$(GO) test -tags lab -run '^$$' -bench . -benchtime 3x -timeout 60m ./objectstore/s3
	@$(GO) test -tags lab -run '^$$' -bench . -benchtime 3x -p 1 -timeout 60m ./kafka/...
	@$(GO) test -tags lab -run '^$$' -bench BesideOthers -benchtime 5x -timeout 60m ./cassandra/cassandratest

bench-growth: ## how both comparisons grow: 0.2M, 1M and 5M rows, 1M objects; under an hour on a machine that does nothing else
	@GEOREDKIT_BENCH_ROWS=200000,1000000,5000000 $(GO) test -tags lab -run '^$$' -bench BesideOthers -benchtime 1x -timeout 60m -v ./cassandra/cassandratest
	@GEORED_BENCH_OBJECTS=1000000 GEORED_BENCH_ONLY="drain plain mc rclone" $(GO) test -tags lab -run '^$$' -bench 'Compare$$' -benchtime 1x -timeout 60m -v ./objectstore/s3

crds: ## Strimzi's definitions for the laboratory, by Strimzi's own generator
	@internal/lab/build/strimzi/generate.sh

weight: ## what each package costs those who import it
	@$(GO) run ./internal/weight

image: ## the probe image, as an archive to push to your own registry
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/probe ./internal/probe
	@$(GO) run -C internal/lab . image -o $(CURDIR)/bin/probe-image.tar -ref $(IMAGE) $(CURDIR)/bin/probe
	@echo "bin/probe-image.tar holds $(IMAGE); push it with skopeo copy oci-archive:bin/probe-image.tar docker://REGISTRY/REPOSITORY:TAG"
