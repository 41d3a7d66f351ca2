# The commands people type. Each does what its few lines say, and can be typed without make.
SHELL := bash
export PATH := $(CURDIR)/.dev/bin:$(CURDIR)/.dev/go/bin:$(CURDIR)/.dev/node/bin:$(PATH):$(HOME)/.cargo/bin

# Everything, with what is optional: one choice for all, so that nothing is built twice.
WORKSPACE := --locked --workspace --features whisper

.PHONY: help demo test chaos interop lint ci bench bench-service bench-words bench-hearing endurance record fuzz clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

demo: ## Caption a recording in a real LiveKit room and make its PDF, all on this machine
	scripts/setup demo
	scripts/demo

test: ## Every test, against real servers that it starts and stops itself
	scripts/setup test
	scripts/with-services cargo test $(WORKSPACE) --no-fail-fast
	LECTERN_SERVICES="livekit postgres" scripts/with-services cargo test $(WORKSPACE) --bench rooms -- --parts chaos

chaos: ## Faults of every kind for MINUTES=30, one and two at a time, chosen by SEED=1: which words are lost or doubled
	scripts/setup test
	LECTERN_SERVICES="livekit postgres" scripts/with-services cargo test $(WORKSPACE) --bench rooms -- \
	  --parts chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30)

interop: ## The end-to-end tests of LiveKit's own package, on our libwebrtc and a real server; TESTS=rpc chooses
	scripts/setup interop
	LECTERN_SERVICES=livekit scripts/with-services scripts/interop $(TESTS)

lint: ## Formatting, types, clippy and documentation without a warning; licences and bans
	scripts/setup lint
	npm --prefix web run check
	cargo fmt --all --check
	for file in tests/interop/*.rs; do rustfmt --check <$$file || exit; done
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(WORKSPACE) --no-deps
	cargo deny --locked check bans licenses sources

ci: lint test interop ## What a change must pass

bench: ## What the worker promises, measured (10 minutes and a release build); ROOMS="1 10 50" PARTS="media start load" choose, PEER=1 compares
	scripts/setup bench $(if $(PEER),bench-peer)
	$(if $(filter media,$(or $(PARTS),media)),cargo run --locked --release --workspace --example rooms \
	  --features libwebrtc/opus-packets -- fixtures/austen/austen.wav $(or $(ROOMS),10 30 100))
	$(if $(filter-out media,$(or $(PARTS),worker)),LECTERN_SERVICES=livekit scripts/with-services cargo bench --locked --bench rooms -- \
	  $(if $(ROOMS),--rooms "$(ROOMS)") $(if $(PARTS),--parts "$(filter-out media,$(PARTS))") $(if $(PEER),--peer))

bench-service: ## What the web service promises, measured, on SQLite, Postgres and PgBouncer (3 minutes and a release build)
	scripts/setup test
	LECTERN_SERVICES="livekit postgres pgbouncer" scripts/with-services cargo bench --locked --bench service

bench-words: ## Word errors of captions and of the recogniser alone in SPEECH=FOLDER (WAV files, words in .txt), and what pages cost (a release build)
	scripts/setup bench
	$(if $(SPEECH),LECTERN_SPEECH=$(SPEECH)) cargo bench --locked --bench words

bench-hearing: ## Word errors of SPEECH=FILE.wav (its words in .txt) heard through rooms, without loss and with 5 %, and of the file; TIMES=10
	scripts/setup test
	rm -rf target/bench-hearing
	LECTERN_SERVICES="livekit turn" scripts/with-services cargo run $(WORKSPACE) --example words -- \
	  target/bench-hearing $(or $(TIMES),10) $(or $(SPEECH),fixtures/austen/austen.wav)
	cargo run $(WORKSPACE) --example compare -- target/bench-hearing file codec nowhere=0.5 speaker=2 listener=2

endurance: ## What no test has time for: servers that freeze and die, and MINUTES=60 of people who come and go
	scripts/setup test
	LECTERN_SERVICES=livekit scripts/with-services cargo run --locked --workspace --example endurance -- $(or $(MINUTES),60)

record: ## Ask a live recogniser (WHAT=stt), or then a language model (WHAT=llm), anew for FIXTURE=fixtures/NAME
	cargo run --locked -- replay $(FIXTURE) --record $(or $(WHAT),stt) --out target/record

fuzz: ## Look for input that breaks TARGET=rtp (or red, rtcp, sdp, stun, turn, sctp, framing) for SECONDS=60
	scripts/setup fuzz
	mkdir -p fuzz/corpus/$(or $(TARGET),rtp) fuzz/seeds/$(or $(TARGET),rtp)
	RUSTC_BOOTSTRAP=1 cargo fuzz run $(or $(TARGET),rtp) fuzz/corpus/$(or $(TARGET),rtp) fuzz/seeds/$(or $(TARGET),rtp) -- \
	  -max_total_time=$(or $(SECONDS),60)

clean: ## Forget all that was built, downloaded and run here
	rm -rf target .dev tests/browser/node_modules tests/oidc/node_modules web/node_modules web/dist
