//! The rules of the ledger, each written once and held on every database: what the trait promises is all that the
//! service relies on. A `Place` opens any number of handles to one fresh ledger, as several processes would.

mod cast;
mod failing;
mod judging;
mod migrating;
mod place;
mod racing;
mod reconnecting;
mod recovering;
mod refusing;
mod releasing;
mod remembering;
mod revoking;
mod walking;

/// A module of tests that holds all rules on one kind of place.
macro_rules! on {
    ($place:ident) => {
        on! { $place:
            failing::what_is_beyond_its_numbers_is_an_error_and_changes_nothing,
            judging::a_batch_may_be_a_thousand_in_any_order,
            judging::a_computer_that_holds_a_slot_takes_no_other,
            judging::a_license_has_as_many_computers_as_its_limit,
            judging::a_plan_tells_what_a_restore_would_and_writes_nothing,
            judging::a_time_never_falls_and_may_be_as_high_as_it_goes,
            judging::licenses_of_two_issuers_are_two_though_they_share_an_id,
            judging::the_same_request_spends_once,
            judging::what_may_not_move_stays,
            migrating::a_ledger_of_a_newer_version_is_left_alone,
            migrating::many_may_make_a_new_ledger_at_once,
            migrating::what_was_there_stays,
            racing::a_page_counts_each_request_once,
            racing::computers_that_take_and_give_back_never_exceed_the_limit,
            racing::of_many_computers_exactly_as_many_as_the_limit_get_a_license,
            racing::of_two_lists_of_one_number_one_is_taken,
            racing::one_request_on_many_ways_spends_once,
            recovering::a_missing_row_blocks_new_slots_and_nothing_else,
            recovering::a_recovery_is_for_all_processes_and_goes_on_until_it_ends,
            recovering::in_recovery_nothing_is_taken_or_given_back,
            recovering::rows_come_back_in_any_order,
            recovering::rows_that_contradict_are_kept_apart,
            refusing::a_page_is_forgotten_in_time,
            refusing::a_page_lists_a_hundred_and_counts_all,
            refusing::a_retry_adds_nothing_to_its_page,
            refusing::there_is_a_page_for_each_computer_operation_and_reason,
            releasing::a_release_that_knows_too_little_changes_nothing,
            releasing::the_same_release_frees_once,
            releasing::what_is_given_back_is_free_again,
            releasing::what_is_not_held_is_not_given_back,
            remembering::a_computer_is_known_by_its_newest_card_since_the_first,
            remembering::an_issuer_is_known_by_its_newest_card,
            revoking::a_computers_word_counts_once_and_only_for_lists_that_are_here,
            revoking::a_list_is_taken_in_its_turn,
            revoking::a_number_that_no_list_has_is_no_error,
            revoking::lists_come_in_order_as_many_as_fit,
            revoking::what_a_list_names_is_revoked_at_once,
            walking::each_row_comes_once_and_in_order_whatever_the_step,
        }
    };
    ($place:ident: $($module:ident :: $rule:ident),* $(,)?) => {
        mod $place {
            $(
                #[test]
                fn $rule() {
                    if let Some(place) = crate::place::Place::$place() {
                        crate::$module::$rule(&place);
                    }
                }
            )*
        }
    };
}

on!(sqlite);
on!(postgres);
on!(three_servers);
