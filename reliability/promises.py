"""Each fault with what Quire promises, the rigs that try to break it, and which of their counts show how hard."""

from __future__ import annotations

from reliability.evidence import Evidence, Promise

PROMISES: tuple[Promise, ...] = (
    Promise(
        "F1",
        "kill -9 at any instant",
        "What was acknowledged is there, byte for byte; what was not is there wholly or not at all; every count, "
        "filter and search equals a recomputation.",
        (
            Evidence(
                "kills",
                ("kills", "acknowledged writes", "answers compared"),
                (
                    "storage.acknowledge_before_commit",
                    "storage.tear_batches",
                    "storage.forget_graves",
                    "storage.forget_deaths_of_new_segments",
                ),
            ),
        ),
    ),
    Promise(
        "F2",
        "power loss: writes lost, reordered, torn",
        "The same. What the disk was not told to keep may be gone, in any order, cut at any sector.",
        (
            Evidence(
                "power",
                ("power losses", "acknowledged operations", "steps of the disk"),
                ("disk.skip_fsync", "disk.skip_folder_flush", "disk.torn_group"),
            ),
        ),
    ),
    Promise(
        "F3",
        "disk full",
        "507 `storage-full`, nothing half done; reads go on; writes work again once there is space, without a restart.",
        (Evidence("calls", ("failed calls", "full disks"), ("disk.torn_group",)),),
    ),
    Promise(
        "F4",
        "read error",
        "Only what is on the bad spot fails, with 503 that names it; the rest is served.",
        (Evidence("calls", ("errors", "short writes"), ("disk.torn_group",)),),
    ),
    Promise(
        "F5",
        "failed fsync",
        "Never tried again on the same handle: the library is read-only until it was opened anew and recovered.",
        (Evidence("calls", ("failed calls", "kills"), ("disk.retry_failed_fsync", "disk.trust_cached_log")),),
    ),
    Promise(
        "F6",
        "rotten bytes",
        "Found when read, by `quire check` and in backups; never read as data. Index files are rebuilt.",
        (
            Evidence(
                "rot",
                ("flips", "cuts"),
                ("storage.skip_page_checksums", "storage.skip_segment_checksums", "storage.trust_log_prefix"),
            ),
        ),
    ),
    Promise(
        "F7",
        "files missing, swapped, old, foreign",
        "Named; that library is shut while the others serve; foreign files are left alone.",
        (Evidence("folder_edits", ("edits",), ("upgrade.take_any_format", "repositories.believe_folders")),),
    ),
    Promise(
        "F8",
        "clock jumps",
        "Order comes from positions, deadlines from the monotonic clock; ids stay unique.",
        (
            Evidence(
                "clocks",
                ("jumps", "operations", "identifiers", "repeats"),
                (
                    "clock.order_by_clock",
                    "clock.identify_by_clock",
                    "clock.measure_by_wall_clock",
                    "clock.wait_by_wall_clock",
                ),
            ),
        ),
    ),
    Promise(
        "F9",
        "slow disk",
        "Reads are not held up; writes wait in a bounded queue, then 503 `overloaded`.",
        (Evidence("strain", ("slow disks", "quick and slow disks compared"), ("troubles.read_behind_writes",)),),
    ),
    Promise(
        "F10",
        "memory runs out",
        "Work is refused with 503 `overloaded` before the kernel ends the process.",
        (
            Evidence(
                "memory",
                ("hostile requests", "mixed requests"),
                ("operations.admit_everything", "operations.leak_with_each_request"),
            ),
            Evidence("allocations", ("failed allocations",), ("troubles.call_no_memory_a_bug",)),
        ),
    ),
    Promise(
        "F11",
        "background work dies or loops",
        "Restarted within a second; if it keeps failing, the server says that it is not ready.",
        (Evidence("strain", ("failing workers",), ("operations.report_dead_workers_up",)),),
    ),
    Promise(
        "F12",
        "client breaks off",
        "A request that did not arrive whole changes nothing; one that did, happens whole.",
        (Evidence("clients", ("uploads cut",), ("repositories.serve_old_views",)),),
    ),
    Promise(
        "F13",
        "requests repeated",
        "With an `Idempotency-Key`: exactly once, the first answer again, also after a restart.",
        (
            Evidence(
                "clients",
                ("requests through the proxy", "answers lost", "requests doubled"),
                ("storage.forget_answers",),
            ),
        ),
    ),
    Promise(
        "F14",
        "many readers and writers",
        "Clients read what they wrote, never go back, see no torn batch; histories are linearizable.",
        (
            Evidence("clients", ("writes of the crowd", "reads of the crowd"), ("repositories.serve_old_views",)),
            Evidence(
                "histories",
                ("histories", "operations", "operations cut by a kill"),
                (
                    "repositories.serve_old_views",
                    "storage.ignore_conditions",
                    "storage.acknowledge_before_commit",
                    "stale read in a history",
                    "lost update in a history",
                    "revived delete in a history",
                ),
            ),
        ),
    ),
    Promise(
        "F15",
        "everything at once",
        "Builds, merges, purges, deletes and restarts between any two writes lose and revive nothing.",
        (
            Evidence(
                "model",
                ("steps",),
                ("storage.forget_graves", "storage.ignore_conditions", "engine.leave_the_dead"),
            ),
            Evidence(
                "kills",
                ("index builds begun", "libraries made or removed"),
                ("storage.forget_graves", "storage.forget_deaths_of_new_segments"),
            ),
        ),
    ),
    Promise(
        "F21",
        "old and newer data folders",
        "Every format opens, however often the upgrade is killed; a newer one is refused unchanged.",
        (
            Evidence(
                "upgrade",
                ("folders opened", "upgrades killed", "newer folders refused"),
                ("upgrade.mark_last", "upgrade.upgrade_in_pieces", "upgrade.take_any_format"),
            ),
        ),
    ),
    Promise(
        "F22",
        "two processes on one folder",
        "The second ends with a clear message before it touches anything.",
        (Evidence("kills", ("second servers refused",), ("storage.skip_lock",)),),
    ),
    Promise(
        "F24",
        "SIGTERM under load",
        "What was accepted is answered; exit 0 within ten seconds.",
        (Evidence("drain", ("drains", "acknowledged writes"), ("server.drop_requests",)),),
    ),
    Promise(
        "F25",
        "no descriptors, signals, read-only disk",
        "A clean error, and recovery without a restart.",
        (
            Evidence(
                "strain",
                ("times without descriptors", "read-only disks", "storms of signals"),
                ("troubles.stop_writes_for_ever", "troubles.give_up_when_interrupted"),
            ),
        ),
    ),
    Promise(
        "Backups",
        "taken under load, edited, forged, cut",
        "A backup restores to the digest of its position; an edited one is refused; nothing is written elsewhere.",
        (
            Evidence(
                "backups",
                ("bytes edited", "hostile backups", "restores killed", "backups killed"),
                (
                    "backup.ignore_seal",
                    "backup.ignore_digests",
                    "backup.trust_names",
                    "backup.skip_proof",
                    "backup.read_moving_files",
                    "backup.build_in_place",
                ),
            ),
        ),
    ),
    Promise(
        "Inputs",
        "sixty bad inputs",
        "The documented answer within a second, and nothing changes.",
        (
            Evidence(
                "inputs",
                ("rows", "inputs"),
                (
                    "door.free_metrics",
                    "door.free_by_prefix",
                    "door.rights_after_body",
                    "door.rights_forgotten",
                    "storage.forget_answers",
                    "backup.trust_names",
                    "backup.skip_proof",
                ),
            ),
        ),
    ),
    Promise(
        "The door",
        "slow, greedy and noisy clients; secrets",
        "Slow clients are sent away within their time while others are served; a refusal costs and says little; keys, "
        "texts and vectors lie about nowhere; a key that is too fast takes nothing from another.",
        (
            Evidence(
                "door",
                ("slow clients", "rejected bytes", "requests with secrets", "requests of a noisy key"),
                (
                    "door.heads_without_deadline",
                    "door.stay_after_answers",
                    "door.report_every_error",
                    "door.locate_every_error",
                    "door.echo_input",
                    "door.log_input",
                    "door.log_keys",
                    "door.any_rate",
                ),
            ),
        ),
    ),
    Promise(
        "Requests",
        "made from the OpenAPI document",
        "No answer that the document does not describe, no 5xx.",
        (
            Evidence(
                "api",
                ("cases", "operations"),
                ("api.undescribed_status", "api.answers_without_version", "api.unexpected_error"),
            ),
        ),
    ),
    Promise(
        "Bytes",
        "any, on every decoder",
        "Read or refused: no crash, no hang, no other reading than an independent decoder's.",
        (Evidence("fuzz", ("cases", "decoders"), ("decoding.read_true_as_one", "decoding.believe_segment_headers")),),
    ),
)
