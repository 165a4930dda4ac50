# What people type; the building itself is meson's. `make help` lists it.
PREFIX ?= /usr/local
SECONDS ?= 60
CAMPAIGN ?= campaign
WERROR ?= false
JOBS ?= $(shell nproc)

.PHONY: help run build check bench fuzz install format clean
.DEFAULT_GOAL := build

help:
	@echo 'make run [FILE=x.pcap] [CAMPAIGN=campaign]  record every interface that is up (or import FILE) into CAMPAIGN'
	@echo 'make build                                  the release build: build/weir'
	@echo 'make check                                  builds, also with sanitizers, and runs every test'
	@echo 'make bench [BENCH_BYTES=1G]                 measures weir against its peers'
	@echo 'make fuzz [SECONDS=60]                      runs each fuzz target that long'
	@echo 'make install [PREFIX=/usr/local] [DESTDIR=] installs program, library, headers, man pages and completion'
	@echo 'make format                                 formats the sources'
	@echo 'make clean                                  removes the builds'
	@echo 'Each of them first installs what is missing (scripts/deps).'

run: build
ifdef FILE
	@./build/weir import $(CAMPAIGN) $(FILE)
else
	@./build/weir up $(CAMPAIGN)
endif

build:
	@scripts/deps build docs
	@test -f build/build.ninja || meson setup build --buildtype=release -Dwerror=$(WERROR)
	@ninja -C build -j $(JOBS)

check:
	@scripts/deps build docs test
	@WERROR=$(WERROR) JOBS=$(JOBS) scripts/check

bench: build
	@scripts/deps bench
	@bench/run

fuzz:
	@scripts/deps build fuzz
	@JOBS=$(JOBS) scripts/fuzz $(SECONDS)

install: build
	@meson configure build -Dprefix=$(PREFIX)
	@meson install -C build

format:
	@scripts/deps format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-sanitize build-thread build-fuzz
