// Feeds damaged inputs to everything that reads what others wrote; docs/security.md has the figures.
//   dotnet run -c Release --project tests/fuzz -- [--targets safetensors,index,tokenizer,template,run,frames,proofs,http]
//                                                 [--inputs 1000000] [--seed 1]
// An input is read, or refused by the error that its reader documents; anything else ends the program with code 1, the input in a file and
// the seed that makes it again.
using System.Globalization;
using Peft.Orleans.Fuzz;

var inputs = 1_000_000;
var seed = 1u;
string[] chosen = [.. FuzzTarget.All.Keys];
for (var i = 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--inputs": inputs = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--seed": seed = uint.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--targets": chosen = args[i + 1].Split(','); break;
        default:
            Console.Error.WriteLine($"unknown option {args[i]}: expected --targets, --inputs or --seed");
            return 2;
    }
}

if (args.Length % 2 != 0 || chosen.FirstOrDefault(static name => !FuzzTarget.All.ContainsKey(name)) is not null)
{
    Console.Error.WriteLine($"targets are {string.Join(", ", FuzzTarget.All.Keys)}; every option has a value");
    return 2;
}

foreach (var name in chosen)
{
    using var target = FuzzTarget.All[name]();
    if (!FuzzRound.Run(name, target, inputs, seed)) return 1;
}

return 0;
