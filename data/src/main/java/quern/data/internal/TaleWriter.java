package quern.data.internal;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * Writes one tale. Sentences are patterns with names in braces; a name is bound once a tale, so that what a sentence
 * says stays true in the next. A capital first letter in the braces asks for one in the text.
 */
public final class TaleWriter {
    /** Changes with the tales, so that nothing made from older ones is mistaken for theirs. */
    static final int EDITION = 1;

    /** Word number after which a paragraph may end. */
    private static final int PARAGRAPH_SENTENCES = 5;

    private final Random random;
    private final Map<String, String> words = new HashMap<>();
    private final StringBuilder tale = new StringBuilder();
    private int sentences;

    /** A writer whose choices follow from the seed. */
    public TaleWriter(long seed) {
        this.random = new Random(seed);
    }

    /** The tale, ended by a blank line. */
    public String write() {
        cast();
        opening();
        switch (random.nextInt(7)) {
            case 0 -> lostThing();
            case 1 -> wishAndObstacle();
            case 2 -> counting();
            case 3 -> weather();
            case 4 -> quarrel();
            case 5 -> contest();
            default -> stranger();
        }
        ending();
        return tale.append("\n\n").toString();
    }

    private void cast() {
        boolean girl = random.nextBoolean();
        bindPerson("hero", girl, girl ? pick(TaleWords.GIRLS) : pick(TaleWords.BOYS));
        bindPronouns("", girl);
        boolean friendGirl = random.nextBoolean();
        String friend = friendGirl ? pick(TaleWords.GIRLS) : pick(TaleWords.BOYS);
        while (friend.equals(words.get("hero"))) {
            friend = friendGirl ? pick(TaleWords.GIRLS) : pick(TaleWords.BOYS);
        }
        if (random.nextInt(3) == 0) {
            friend = "the " + pick(TaleWords.ANIMALS);
        }
        bindPerson("friend", friendGirl, friend);
        bindPronouns("f-", friendGirl);
        words.put("person", pick(TaleWords.PEOPLE));
        words.put("animal", pick(TaleWords.ANIMALS));
        words.put("nature", pick(TaleWords.NATURES));
        words.put("fnature", pickOther(TaleWords.NATURES, words.get("nature")));
        words.put("place", pick(TaleWords.PLACES));
        words.put("spot", pick(TaleWords.SPOTS));
        words.put("spot2", pickOther(TaleWords.SPOTS, words.get("spot")));
        words.put("spot3", pick(TaleWords.SPOTS));
        words.put("thing", pick(TaleWords.THINGS));
        words.put("colour", pick(TaleWords.COLOURS));
        words.put("food", pick(TaleWords.FOODS));
        words.put("time", pick(TaleWords.TIMES));
        words.put("road", pick(TaleWords.ROADS));
        words.put("sound", pick(TaleWords.SOUNDS));
        words.put("good", pick(TaleWords.FEELINGS_GOOD));
        words.put("bad", pick(TaleWords.FEELINGS_BAD));
        words.put("lesson", pick(TaleWords.LESSONS));
        words.put("age", TaleWords.NUMBERS.get(6 + random.nextInt(7)));
    }

    private void bindPerson(String role, boolean girl, String name) {
        words.put(role, name);
        words.put(role + "-child", girl ? "girl" : "boy");
    }

    private void bindPronouns(String prefix, boolean girl) {
        words.put(prefix + "he", girl ? "she" : "he");
        words.put(prefix + "him", girl ? "her" : "him");
        words.put(prefix + "his", girl ? "her" : "his");
    }

    private void opening() {
        say(
                "Once there was {a nature} {hero-child} called {hero} who lived in {place}.",
                "{Hero} was {a nature} {hero-child} of {age} years, and {he} lived in {place}.",
                "In {place} there lived {a nature} {hero-child} whose name was {hero}.",
                "Long ago, in {place}, {hero} was known as the most {nature} {hero-child} of all.",
                "There is {place}, and in it lived {hero}, {a nature} {hero-child}.");
        if (random.nextBoolean()) {
            say(
                    "{His} best friend was {friend}, who was more {fnature} than {nature}.",
                    "Every day {he} met {friend} {spot3}, and they ate {food} together.",
                    "{Friend} lived next door and was rather {fnature}.",
                    "{He} liked {food}, and so did {his} friend, {friend}.",
                    "Nobody knew {him} better than {friend}.");
        }
    }

    private void lostThing() {
        say(
                "{Time}, {hero} lost {his} {thing}.",
                "{Time}, {hero} looked for {his} {thing} and could not find it.",
                "{Hero} owned {a thing}, but {time} it was gone.");
        say(
                "{He} looked {spot}, but it was not there.",
                "First {he} searched {spot}, where {he} found only {a colour} leaf.",
                "\"I had it yesterday {spot},\" {he} said, but there was nothing {spot} now.");
        say(
                "{He} felt {bad}, because the {thing} had been a gift from {person}.",
                "Without the {thing} {he} felt {bad} and could not eat {his} {food}.",
                "The more {he} searched, the more {bad} {he} felt.");
        say(
                "Then {he} asked {friend}. \"Have you seen my {thing}?\"",
                "\"Help me, {friend},\" {he} called. \"My {thing} is gone.\"",
                "{Friend} came by and asked, \"Why do you look so {bad}?\" \"I have lost my {thing},\" said {hero}.");
        say(
                "\"When did you have it last?\" asked {friend}. {Hero} thought for a while. \"When I went {road},\" {he} said.",
                "\"Let us walk back the way you came,\" said {friend}, and so they went {road}.",
                "\"Two pairs of eyes see more than one,\" said {friend}, and they set out {road}.");
        switch (random.nextInt(3)) {
            case 0 -> {
                say(
                        "There, {spot2}, sat {a animal} with the {thing}.",
                        "{Spot2} they found {a animal}, and beside it lay the {thing}.");
                say(
                        "\"I only wanted to see it shine,\" said the {animal}, and it gave the {thing} back.",
                        "The {animal} had kept it safe from the rain, so {hero} thanked it twice.");
            }
            case 1 ->
                say(
                        "It lay {spot2}, just where {he} had rested the day before.",
                        "At last {friend} saw something {colour} {spot2}. It was the {thing}.");
            default -> {
                say(
                        "They met {person}, who was holding the {thing}.",
                        "{Person} stood {spot2} and held up the {thing}.");
                say(
                        "\"Is this yours?\" asked {person}. \"I found it {spot2}.\" \"Yes!\" cried {hero}. \"It is mine.\"");
            }
        }
        say(
                "{Hero} put the {thing} in {his} pocket and felt {good} again.",
                "Now {he} was {good}, and {he} never let the {thing} out of {his} sight again.",
                "{He} tied the {thing} to {his} belt, so that it could not be lost again.");
    }

    private void wishAndObstacle() {
        TaleWords.Obstacle obstacle = pick(TaleWords.OBSTACLES);
        words.put("wish", pick(TaleWords.WISHES));
        words.put("wall", obstacle.what());
        words.put("why", obstacle.why());
        words.put("tool", obstacle.tool());
        words.put("use", obstacle.use());
        say(
                "More than anything, {hero} wanted {wish}.",
                "{Hero} dreamed of {wish} every night.",
                "\"One day I will have {wish},\" {hero} told {friend}.");
        say(
                "{Person} had promised it to {him} if {he} brought a letter to the other side of the valley.",
                "People said that {person} gave such things to anyone who came and asked politely.",
                "{Person} knew how to make one, but {person} lived far away.");
        say("{Time} {he} packed some {food} and went {road}.", "So {time} {he} left home and walked {road}.");
        say(
                "After {age} miles {he} came to {wall}. {He} could not go on, because {why}.",
                "But soon there was {wall} in front of {him}, and {why}.",
                "The way was easy until {he} met {wall}; {why}.");
        say(
                "{He} sat down and felt {bad}.",
                "\"What shall I do now?\" {he} asked, but only {sound} answered.",
                "{He} tried once, {he} tried twice, and each time {he} failed.");
        boolean animalHelps = random.nextBoolean();
        if (animalHelps) {
            say(
                    "Then {a animal} came along. \"Share your {food} with me,\" it said, \"and I will give you {a tool}.\"",
                    "Just then {a colour} {animal} looked out {spot2}. It was hungry, so {hero} gave it some {food}, and it brought {him} {a tool}.");
        } else {
            say(
                    "Then {he} saw {a tool} {spot2}, and {he} had an idea.",
                    "{He} remembered what {friend} always said: \"Use what you find.\" And {spot2} {he} found {a tool}.");
        }
        say("{Hero} {use}, and the way was free.", "{He} {use}. It worked at once.");
        say(
                "Before night {he} stood at the door of {person}, and in the morning {he} owned {wish}.",
                "{Person} smiled when {hero} told how {he} had come, and gave {him} {wish}.",
                "So {he} got {wish}, and {he} carried it home with both arms.");
        if (animalHelps) {
            say("{He} never forgot the {animal}.", "On the way back {he} left half of {his} {food} for the {animal}.");
        }
    }

    private void counting() {
        int start = 6 + random.nextInt(8);
        int given = 1 + random.nextInt(3);
        int lost = 1 + random.nextInt(2);
        int found = 1 + random.nextInt(6);
        words.put("item", pick(TaleWords.GOODS));
        say(
                "{Time}, {hero} carried " + count(start) + " in a basket to the market.",
                "{Hero} had " + count(start) + ", and {he} wanted to sell them {time}.",
                "{Time}, {person} gave {hero} " + count(start) + " and said, \"Bring them safely to town.\"");
        say(
                "On the way {he} met {friend}, who was hungry and {bad}, and gave {f-him} " + number(given)
                        + " of them.",
                "{Friend} asked for " + number(given) + ", and because {hero} was kind, {he} said yes.");
        int left = start - given;
        say(
                "Now there " + areLeft(left) + ".",
                "\"That leaves " + number(left) + ",\" {he} counted.",
                "{He} counted again: " + number(left) + ".");
        say(
                "Then {he} stumbled {spot}, and " + number(lost) + " rolled into the river.",
                "A {animal} jumped out {spot}, took " + number(lost) + " and ran away.");
        left -= lost;
        say(
                "So {he} had only " + number(left) + " when {he} came to the market.",
                "With " + number(left) + " in the basket {he} went on {road}.");
        if (random.nextBoolean()) {
            say(
                    "But {spot2} {he} found " + number(found) + " more, and then {he} had " + number(left + found)
                            + ".",
                    "{Person} felt sorry for {him} and added " + number(found) + ", which made " + number(left + found)
                            + ".");
            left += found;
        }
        say(
                "{He} sold " + (left == 1 ? "the last one" : "all " + number(left)) + " for {a thing}.",
                "In the end {he} traded the " + (left == 1 ? "{item}" : "{items}")
                        + " for {a thing}, and everyone was {good}.",
                "{He} gave " + (left == 1 ? "it" : "the " + number(left)) + " to {person}, who paid with {a thing}.");
    }

    private void weather() {
        TaleWords.Weather weather = pick(TaleWords.WEATHERS);
        words.put("sky", weather.sky());
        words.put("effect", weather.effect());
        words.put("remedy", weather.remedy());
        words.put("end", weather.end());
        words.put("days", TaleWords.NUMBERS.get(2 + random.nextInt(8)));
        say("{Time} {sky}.", "For {days} days {sky}.", "{Sky}, and it did not stop for {days} days.");
        say("Because of that, {effect}.", "Soon {effect}, and people stayed at home.", "By noon {effect}.");
        say(
                "{Hero} was {bad}, for {friend} was still out there {road}.",
                "\"{Friend} has not come home,\" said {person}, and {hero} grew {bad}.",
                "Only {friend} had gone out {road} and had not come back.");
        say(
                "{He} took {remedy} and went {road}.",
                "\"With {remedy} I can do it,\" said {hero}, and out {he} went.",
                "{Person} lent {him} {remedy}, and {hero} did not wait any longer.");
        say(
                "{He} called and listened. At last {he} heard {sound} {spot}.",
                "There was nobody {spot}. There was nobody {spot2}. Then {he} heard {sound}.",
                "After an hour {he} saw a {colour} light {spot}.");
        say(
                "It was {friend}, who was {bad} but not hurt.",
                "\"Here I am!\" called {friend}. \"I thought that nobody would come.\"",
                "{Friend} sat there and could hardly speak.");
        say(
                "With {remedy} they found the way home, and {person} gave them {food}.",
                "They shared {remedy} and walked home side by side.",
                "Thanks to {remedy}, both of them were home before dark.");
        say("The next day {end}.", "And when they woke up, {end}.", "Not long after, {end}.");
    }

    private void quarrel() {
        say(
                "{Time}, {hero} and {friend} found {a thing} {spot}.",
                "{Hero} and {friend} had one {thing} between them.",
                "{Person} gave {hero} and {friend} {a thing}, but only one.");
        say(
                "\"It is mine,\" said {hero}, \"for I saw it first.\" \"No, it is mine,\" said {friend}.",
                "Both of them wanted it. \"Give it to me!\" cried {hero}. \"Never!\" cried {friend}.",
                "{Hero} wanted to keep it. {Friend} wanted to sell it.");
        say(
                "They pulled at it until it fell and got {a colour} scratch.",
                "So they quarrelled, and neither of them spoke for a whole week.",
                "{Friend} went home {road} without a word, and {hero} kept the {thing}.");
        say(
                "But the {thing} gave {hero} no joy. {He} felt {bad} and could not sleep.",
                "Alone, {hero} felt {bad}. Even {food} had no taste.",
                "{Hero} looked at the {thing} and thought of {friend}, and {he} was {bad}.");
        say(
                "{Person} saw it and said, \"A thing can wait. A friend can not.\"",
                "\"Which is lighter,\" asked {person}, \"the {thing} or your heart?\"",
                "\"Go and say it,\" said {person}. \"It is only one word.\"");
        say(
                "So {hero} took the {thing} and went {road} to {friend}.",
                "The next morning {hero} knocked at the door of {friend}.");
        say(
                "\"I am sorry,\" {he} said. \"You may have it on Mondays, and I will have it on Tuesdays.\"",
                "\"Forgive me,\" {he} said. \"It should belong to both of us.\"",
                "\"I was wrong,\" said {hero}. \"I was wrong too,\" said {friend}.");
        say(
                "{Friend} laughed, and they put the {thing} {spot2}, where both could reach it.",
                "Then they ate {food} together, and the {thing} lay forgotten {spot2}.",
                "From that day the {thing} stood {spot2}, and they were {good}.");
    }

    private void contest() {
        boolean wins = random.nextBoolean();
        words.put("game", pick(TaleWords.GAMES));
        words.put("winner", wins ? words.get("hero") : words.get("friend"));
        words.put("loser", wins ? words.get("friend") : words.get("hero"));
        words.put("w-he", wins ? words.get("he") : words.get("f-he"));
        words.put("l-he", wins ? words.get("f-he") : words.get("he"));
        words.put("prize", pick(TaleWords.THINGS));
        say(
                "{Time} there was {game}, and the prize was {a prize}.",
                "{Person} called everyone to {game}. The winner would get {a prize}.",
                "{Time}, {friend} said to {hero}, \"Let us have {game}. I bet {a prize}.\"");
        say(
                "{Hero} had practised {road} for {age} weeks, and {friend} had not practised at all.",
                "{Friend} was sure to win and told everybody so.",
                "Both of them felt {bad} before the start, though neither said it.");
        say("At {sound} they began.", "{Person} counted: one, two, three! And off they went.");
        say(
                "At first {loser} was ahead, and people shouted, \"Faster!\"",
                "In the beginning {loser} did better, and {winner} fell behind.");
        say(
                "But then {loser} stopped {spot} to look back, and {winner} went past.",
                "But {loser} grew tired, while {winner} kept on step by step.",
                "But {a animal} ran across the way, and {loser} lost time while {winner} did not.");
        say(
                "So {winner} won by the length of a hand.",
                "{Winner} was first, and {loser} was second.",
                "In the end it was {winner} who won.");
        if (random.nextBoolean()) {
            say(
                    "{Winner} took the {prize}, looked at {loser}, and gave it away. \"You ran well,\" {w-he} said.",
                    "\"Next year it will be you,\" said {winner}, and {l-he} had to laugh.");
        } else {
            say(
                    "{Loser} was {bad} for a moment, but {l-he} shook hands and smiled.",
                    "{Person} gave {winner} the {prize}, and {loser} got some {food}.");
        }
    }

    private void stranger() {
        words.put("secret", pick(TaleWords.WISHES));
        say(
                "{Time}, somebody knocked at the door. It was {a fnature} old {animal} with {a thing}.",
                "{Time}, {a colour} {animal} stood {spot} and did not move.",
                "{Time}, {hero} heard {sound} and found {a animal} {spot}.");
        say(
                "\"I have come {road},\" said the {animal}, \"and I have not eaten for three days.\"",
                "\"Please, may I stay for one night?\" asked the {animal}.",
                "\"Do not be afraid,\" said the {animal}. \"I have only lost my way.\"");
        say(
                "{Person} said, \"Send it away!\" But {hero} opened the door.",
                "{Friend} was afraid, but {hero} was not.",
                "{Hero} had little, yet {he} did not send it away.");
        say(
                "{He} gave the {animal} {food} and a place beside the stove.",
                "They ate {food}, and the {animal} told of cities, ships and kings.");
        say(
                "In the morning the {animal} was gone, and on the table lay {a thing}.",
                "When the {animal} left, it put {a thing} into {his} hand. \"Ring it, light it or wear it,\" it said, \"but never sell it.\"",
                "Before it left, the {animal} whispered, \"Dig {spot2}.\"");
        say(
                "{Hero} did not understand, but {he} did as {he} was told.",
                "\"How strange,\" said {friend}, and {hero} thought so too.");
        say(
                "And {spot2} {he} found {secret}.",
                "A year later {he} had {secret}, and {he} knew whom to thank.",
                "Since then there has always been enough {food} in that house.");
    }

    private void ending() {
        say(
                "And so {hero} learned {lesson}.",
                "That night {hero} slept well and dreamed of {food}.",
                "From then on, {hero} and {friend} met {spot3} every day.",
                "\"Now I know {lesson},\" said {hero}.",
                "{Friend} still tells this story to everyone who comes {road}.",
                "{He} went home, shut the door, and was {good}.",
                "Then they all had {food}, and there was enough for everybody.",
                "{Person} laughed and said, \"That is how it should be.\"",
                "And when {he} was old, {he} told the story to the children of {place}.",
                "The {colour} evening came, and nobody in the house was {bad} any more.");
    }

    private void say(String... patterns) {
        String text = fill(patterns[random.nextInt(patterns.length)]);
        if (!tale.isEmpty()) {
            boolean turn = sentences >= PARAGRAPH_SENTENCES && random.nextInt(3) == 0;
            tale.append(turn ? '\n' : ' ');
            sentences = turn ? 0 : sentences;
        }
        sentences++;
        tale.append(text);
    }

    private String fill(String pattern) {
        StringBuilder out = new StringBuilder();
        int at = 0;
        while (at < pattern.length()) {
            int open = pattern.indexOf('{', at);
            if (open < 0) {
                out.append(pattern, at, pattern.length());
                break;
            }
            out.append(pattern, at, open);
            int close = pattern.indexOf('}', open);
            out.append(word(pattern.substring(open + 1, close)));
            at = close + 1;
        }
        return out.toString();
    }

    private String word(String name) {
        String key = name.toLowerCase(Locale.ROOT);
        String value;
        if (key.startsWith("a ")) {
            String noun = bound(key.substring(2));
            value = ("aeiou".indexOf(noun.charAt(0)) >= 0 ? "an " : "a ") + noun;
        } else if (key.equals("items")) {
            value = plural(bound("item"));
        } else {
            value = bound(key);
        }
        return Character.isUpperCase(name.charAt(0))
                ? Character.toUpperCase(value.charAt(0)) + value.substring(1)
                : value;
    }

    private String bound(String key) {
        String value = words.get(key);
        if (value == null) {
            throw new IllegalStateException("the tale has no word for '" + key + "'");
        }
        return value;
    }

    private String count(int n) {
        return number(n) + " " + (n == 1 ? bound("item") : plural(bound("item")));
    }

    private String areLeft(int n) {
        return n == 1 ? "was one left" : "were " + number(n) + " left";
    }

    private static String number(int n) {
        return TaleWords.NUMBERS.get(n);
    }

    private static String plural(String noun) {
        return switch (noun) {
            case "loaf" -> "loaves";
            case "radish" -> "radishes";
            default -> noun + "s";
        };
    }

    private <T> T pick(List<T> from) {
        return from.get(random.nextInt(from.size()));
    }

    private String pickOther(List<String> from, String than) {
        String word = pick(from);
        while (word.equals(than)) {
            word = pick(from);
        }
        return word;
    }
}
