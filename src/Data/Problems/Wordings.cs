namespace Peft.Orleans.Data.Problems;

/// <summary>
/// Ways to tell a problem: <c>{a}</c> and <c>{b}</c> are the numbers (b is the second operand wherever it stands), <c>{N}</c> and
/// <c>{M}</c> names, <c>{o}</c> objects, <c>{P}</c> places.
/// </summary>
/// <param name="Additions">Stories of additions.</param>
/// <param name="Subtractions">Stories of subtractions.</param>
/// <param name="Names">Names.</param>
/// <param name="Objects">Objects, in the plural.</param>
/// <param name="Places">Places; empty where no story needs one.</param>
internal sealed record Wordings(string[] Additions, string[] Subtractions, string[] Names, string[] Objects, string[] Places)
{
    /// <summary>What the model is pretrained on.</summary>
    public static readonly Wordings Pretraining = new(
        [
            "{N} has {a} {o}. {N} gets {b} more. How many {o} does {N} have?",
            "{N} had {a} {o} and found {b} more. How many {o} now?",
            "There are {a} {o} in a box. {N} puts in {b} more. How many {o} are in it?",
            "{N} has {a} {o} and {M} has {b}. How many {o} do they have together?",
            "{N} buys {a} {o} and then {b} more. How many {o} did {N} buy?",
            "{M} gives {N} {b} {o}. {N} had {a} before. How many {o} now?",
        ],
        [
            "{N} has {a} {o}. {N} gives away {b}. How many {o} are left?",
            "{N} had {a} {o} and lost {b} of them. How many {o} now?",
            "There are {a} {o} in a box. {N} takes out {b}. How many {o} are in it?",
            "{N} has {a} {o} and {M} has {b}. How many more does {N} have?",
            "{N} buys {a} {o} and eats {b}. How many {o} are left?",
            "{M} takes {b} {o} from {N}. {N} had {a} before. How many {o} now?",
        ],
        ["Tom", "Anna", "Ben", "Lucy", "Sam", "Mia", "Jack", "Emma", "Max", "Lily", "Paul", "Kate"],
        ["apples", "books", "pens", "cards", "eggs", "cakes", "balls", "stones", "cups", "plums", "nuts", "hats"],
        []);

    /// <summary>What fine-tuning teaches: other sentences, verbs, names and objects.</summary>
    public static readonly Wordings Shifted = new(
        [
            "Counting {a} {o} at dawn and {b} at dusk, {N} writes the sum:",
            "With {a} {o} aboard, the ship loads {b} extra at {P}. Cargo total:",
            "{a} {o} waited; {b} joined later. Size of the crowd:",
            "The score of team {N} stood at {a}, then rose by {b}. Final score:",
            "Add {b} {o} to a stock of {a} at {P}. New stock:",
            "A road of {a} miles is extended by {b}. Full length seen by {N}:",
        ],
        [
            "Of {a} {o} counted at dawn, {b} vanish by dusk; {N} writes the rest:",
            "With {a} {o} aboard, the ship unloads {b} at {P}. Cargo remaining:",
            "{a} {o} waited; {b} departed early. Size of the crowd:",
            "The score of team {N} stood at {a}, then fell by {b}. Final score:",
            "Remove {b} {o} out of a stock of {a} at {P}. New stock:",
            "A road of {a} miles is shortened by {b}. Full length seen by {N}:",
        ],
        ["Otto", "Viktor", "Ingrid", "Quentin", "Zelda", "Hugo", "Yara", "Dorothy", "Felix", "Greta", "Ursula", "Rufus"],
        ["crates", "barrels", "tigers", "riders", "lamps", "ducks", "owls", "wheels", "ropes", "violins", "jars", "ferns"],
        ["Oslo", "Quito", "Dublin", "Rome", "Vienna", "Fez", "York", "Utrecht"]);
}
