//! One contract, kept by SQLite and Postgres alike, and one kept by a folder and an S3 server.
//!
//! `cargo test -p lectern-storage --test contract -- sqlite folder` needs nothing; the others need servers:
//! `make test`, or `scripts/with-services cargo test -p lectern-storage`.

mod administration;
mod chat;
mod corrections;
mod files;
mod folder;
mod handover;
mod hooks;
mod identities;
mod objects;
mod postgres;
mod proxy;
mod retention;
mod rooms;
mod rows;
mod s3;
mod search;
mod shares;
mod sqlite;
mod summaries;
mod things;
mod word_log;
mod writing;

/// The environment variable `name`; a test that needs a server fails without it.
fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test`, or `scripts/with-services cargo test -p lectern-storage`")
    })
}

/// Makes a test of each function of a contract, run against what `$open` opens.
macro_rules! contract {
    ($open:path, $contract:ident: $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let place = $open().await;
            crate::$contract::$name(&place).await;
            place.remove().await;
        }
    )*};
}

/// Every function of the contract of databases.
macro_rules! database_contract {
    ($open:path) => {
        crate::contract!($open, rows:
            migrations_run_once_whoever_starts
            room_keeps_its_meeting_under_one_sid
            new_sid_within_a_minute_continues_the_meeting
            new_sid_after_a_minute_ends_the_old_meeting
            meeting_that_is_over_is_never_reopened
            eight_workers_open_one_meeting
            one_of_eight_workers_advances_a_meeting
            lease_keeps_others_away_until_it_runs_out
            touching_keeps_only_what_is_still_held
            live_meetings_name_their_sids_and_holders
            eight_workers_share_what_is_pending
            failure_is_counted_kept_and_put_off
            transcript_comes_back_whole_and_in_order
            storing_twice_is_storing_once
            duration_covers_the_end_and_the_last_words
            list_pages_through_every_meeting_once
            summary_and_artifacts_are_replaced
            captions_become_visible_in_their_order
            captions_of_earlier_versions_are_numbered
            cancelled_call_leaves_nothing_behind
        );
        crate::contract!($open, rooms:
            account_is_made_once_per_address
            host_becomes_administrator_and_logs_in_anew
            session_lasts_until_it_ends
            key_works_until_it_is_revoked
            room_is_found_by_id_and_code
            events_have_positions_without_holes
            one_of_eight_hosts_decides
            everybody_is_decided_about_at_once
            audit_pages_back_in_time
            erased_lecture_is_gone_with_its_files
            webhook_event_counts_once
        );
        crate::contract!($open, files:
            file_is_shared_listed_and_deleted
            room_has_no_more_files_than_it_may
            file_of_nothing_is_not_shared
            erased_room_leaves_its_objects_to_be_erased
            erased_lecture_takes_what_was_shared_meanwhile
        );
        crate::contract!($open, chat:
            message_of_a_stream_is_stored_once
            rooms_without_chat_receive_none
            components_are_told_what_they_do_not_know
            watchers_of_rooms_learn_what_others_add
        );
        crate::contract!($open, identities:
            account_is_found_by_issuer_and_subject_alone
            eight_first_logins_make_one_account
            linked_account_has_one_way_in
            linked_administrator_keeps_their_password
            login_flow_ends_once
        );
        crate::contract!($open, administration:
            accounts_are_found_by_name_and_address
            access_ends_with_all_that_gave_it
            last_administrator_stays
            of_two_administrators_taken_away_at_once_one_stays
            account_with_rooms_goes_when_somebody_takes_them
            password_link_works_once
        );
        crate::contract!($open, shares:
            share_lasts_until_it_ends
        );
        crate::contract!($open, handover:
            offered_meeting_passes_to_the_one_who_hears_it
            offer_ends_with_its_givers_lease
            one_of_eight_heirs_accepts
        );
        crate::contract!($open, hooks:
            hook_comes_back_as_it_was_made
            news_is_stored_with_what_it_tells_of
            refused_words_are_not_told
            full_outbox_counts_what_it_leaves_out
            eight_processes_share_the_webhooks
            failure_holds_back_its_room_for_a_while
            attempts_are_counted_and_settled_once
            erased_lecture_takes_its_news_along
        );
        crate::contract!($open, retention:
            what_is_past_its_days_goes_once_and_is_noted
            lectures_of_others_rooms_go_too
            notes_and_news_are_forgotten_in_steps
            bans_are_listed_without_who_may_come_again
        );
        crate::contract!($open, search:
            lecture_is_found_by_title_summary_and_words
            index_follows_what_it_is_of
            search_shows_an_owner_their_own_page_by_page
            lectures_of_older_versions_are_indexed
            search_finds_what_the_terms_are_in
        );
        crate::contract!($open, corrections:
            correction_keeps_all_that_was_before
            correction_of_another_version_is_refused
            corrected_lecture_is_rendered_again
            one_of_eight_correctors_of_a_version_is_first
            late_words_have_a_lecture_rendered_again
        );
        crate::contract!($open, summaries:
            summaries_are_asked_for_made_and_kept
            unreadable_summary_is_made_anew
            language_model_that_is_away_is_asked_again
        );
        crate::contract!($open, writing:
            writer_answers_each_segment_once_it_is_stored
            writer_says_when_all_is_stored
            writer_outlasts_a_database_that_fails
            writer_stores_the_rest_of_a_batch_with_a_refused_record
            full_queue_gives_records_back
            writer_ends_when_all_is_stored
        );
        crate::contract!($open, word_log:
            words_are_safe_while_the_database_is_away
            words_of_a_dead_process_are_stored_by_the_next
            process_that_is_to_end_leaves_what_it_could_not_store
        );
    };
}

/// Every function of the contract of object stores.
macro_rules! objects_contract {
    ($open:path) => {
        crate::contract!($open, objects:
            object_comes_back_as_it_was_put
            missing_object_is_absent_and_deleted_twice
            second_put_replaces_the_first
            keys_are_listed_by_prefix_in_order
            writers_at_once_leave_one_whole_object
            large_object_survives
            pieces_make_one_object_once_they_are_all_there
            parts_of_an_object_are_read
            what_was_never_finished_is_erased
            check_leaves_nothing_behind
        );
    };
}

use {contract, database_contract, objects_contract};
