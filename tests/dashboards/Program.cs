// Dashboards: writes k8s/dashboards/*.json from their source (Boards), and draws them from the answers of a Prometheus.
//   dotnet run --project tests/dashboards -- write
//   dotnet run --project tests/dashboards -- draw --prometheus http://127.0.0.1:9090 --to FOLDER [--minutes 15] [--until UNIX_SECONDS]
using System.Globalization;
using Peft.Orleans.Dashboards.Answers;
using Peft.Orleans.Dashboards.Drawing;
using Peft.Orleans.Dashboards.Files;
using Peft.Orleans.Dashboards.Source;

var target = Path.Combine("k8s", "dashboards");
switch (args)
{
    case ["write" or "draw", ..] when !Directory.Exists(target):
        return Refuse($"there is no {target}: start it in the folder with Peft.Orleans.sln");
    case ["write"]:
        foreach (var board in Board.All) File.WriteAllText(Path.Combine(target, board.Name + ".json"), BoardWriter.Text(board));
        return 0;
    case ["draw", "--prometheus", var address, "--to", var folder, .. var more]:
        if (!Uri.TryCreate(address.TrimEnd('/') + "/", UriKind.Absolute, out var uri)) return Refuse($"--prometheus {address}: give a URL");
        var numbers = new Dictionary<string, double> { ["--minutes"] = 15, ["--until"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() };
        foreach (var pair in more.Chunk(2))
        {
            if (!numbers.ContainsKey(pair[0])) return Refuse($"{pair[0]}: unknown option");
            if (pair.Length < 2 || !double.TryParse(pair[1], CultureInfo.InvariantCulture, out var number))
                return Refuse($"{string.Join(' ', pair)}: give a number");
            numbers[pair[0]] = number;
        }

        using (var prometheus = new PrometheusApi(uri))
        {
            var end = numbers["--until"];
            await new Pictures(prometheus, end - (numbers["--minutes"] * 60), end).Draw(target, folder);
        }

        return 0;
    default:
        return Refuse("usage: write | draw --prometheus URL --to FOLDER [--minutes N] [--until UNIX_SECONDS]");
}

static int Refuse(string message)
{
    Console.Error.WriteLine("dashboards: " + message);
    return 2;
}
