package quern.train;

import java.util.Optional;
import quern.data.SharedPrefixes;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.recipe.Block;
import quern.recipe.QuernException;

/**
 * Whether a recipe's steps compute what documents begin with once ({@code prefix_sharing}, {@link SharedPrefixes}): where the
 * recipe says nothing, whenever that changes no more than rounding.
 */
final class PrefixSharing {
    private static final String KEY = "prefix_sharing";

    private PrefixSharing() {}

    /** Sets the steps of a recipe's training of this network. */
    static void set(Preparation preparation, Network network, TrainingStep step) {
        Optional<Boolean> asked = preparation.recipe().prefixSharing();
        if (asked.isPresent() && !asked.get()) {
            return;
        }
        Pass pass = Pass.training(0).with(preparation.regularization());
        Optional<Segment> hindrance =
                network.withoutSharedPrefixes(pass, preparation.data().maxLength());
        boolean readsRows =
                preparation.ordering().filter(o -> o.batches().learns()).isPresent();
        if (asked.isPresent()) {
            check(preparation, hindrance, readsRows);
        }
        if (hindrance.isEmpty() && !readsRows) {
            step.sharePrefixes();
        }
    }

    private static void check(Preparation preparation, Optional<Segment> hindrance, boolean readsRows) {
        Block block = preparation.block();
        if (hindrance.isPresent()) {
            throw QuernException.badInput(
                    "%s: prefix_sharing: segment '%s' of the model does not give the same for a prefix that several rows share (dropout, noise, experts, and attention that is not causal do not); turn that off, or leave prefix_sharing out",
                    block.position(KEY), hindrance.get().name());
        }
        if (readsRows) {
            throw QuernException.badInput(
                    "%s: prefix_sharing: data.curriculum reads the loss of each row, which shared rows have no place for; leave out one of them",
                    block.position(KEY));
        }
        if (!preparation.batches().batch(0).isUnpadded()) {
            throw QuernException.badInput(
                    "%s: prefix_sharing: the rows of this training are windows of text or padded, which share nothing; give instruction rows with objective: causal_lm, or leave prefix_sharing out",
                    block.position(KEY));
        }
    }
}
