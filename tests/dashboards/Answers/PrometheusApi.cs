using System.Globalization;
using System.Text.Json;

namespace Peft.Orleans.Dashboards.Answers;

/// <summary>A series that Prometheus answered.</summary>
internal sealed record Series(IReadOnlyDictionary<string, string> Labels, IReadOnlyList<(double Time, double Value)> Points)
{
    /// <summary>Its labels as Prometheus writes them, the metric's name left out.</summary>
    internal string Text => "{" + string.Join(", ", Labels.Where(static label => label.Key != "__name__")
        .OrderBy(static label => label.Key, StringComparer.Ordinal).Select(static label => $"{label.Key}=\"{label.Value}\"")) + "}";
}

/// <summary>An alert as Prometheus tells it: <c>pending</c> or <c>firing</c>.</summary>
internal sealed record Alert(string Name, string State, IReadOnlyDictionary<string, string> Labels);

/// <summary>What Prometheus says to a question it does not understand.</summary>
internal sealed class PrometheusException(string message) : Exception(message);

/// <summary>Prometheus' HTTP interface.</summary>
internal sealed class PrometheusApi(Uri address) : IDisposable
{
    private readonly HttpClient http = new() { BaseAddress = address };

    /// <summary>Where it listens.</summary>
    internal Uri Address => address;

    /// <summary>The values of now.</summary>
    internal Task<IReadOnlyList<Series>> Query(string expression) => Ask("api/v1/query", [new("query", expression)]);

    /// <summary>The values over a time, Unix seconds.</summary>
    internal Task<IReadOnlyList<Series>> Query(string expression, double from, double to, double step) => Ask(
        "api/v1/query_range",
        [new("query", expression), new("start", Text(from)), new("end", Text(to)), new("step", Text(step))]);

    /// <summary>The values of a label, of series that match.</summary>
    internal async Task<IReadOnlyList<string>> Labels(string label, string selector)
    {
        using var answer = await Get($"api/v1/label/{label}/values?match[]={Uri.EscapeDataString(selector)}");
        return [.. answer.RootElement.GetProperty("data").EnumerateArray().Select(static value => value.GetString()!)];
    }

    /// <summary>What is pending or fires now.</summary>
    internal async Task<IReadOnlyList<Alert>> Alerts()
    {
        using var answer = await Get("api/v1/alerts");
        return
        [
            .. answer.RootElement.GetProperty("data").GetProperty("alerts").EnumerateArray().Select(static alert =>
            {
                var labels = Labels(alert.GetProperty("labels"));
                return new Alert(labels["alertname"], alert.GetProperty("state").GetString()!, labels);
            }),
        ];
    }

    /// <summary>Whether it answers questions; false also where nobody listens yet.</summary>
    internal async Task<bool> IsReady()
    {
        try
        {
            using var answer = await http.GetAsync("-/ready");
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    public void Dispose() => http.Dispose();

    private async Task<IReadOnlyList<Series>> Ask(string path, KeyValuePair<string, string>[] form)
    {
        using var content = new FormUrlEncodedContent(form);
        using var response = await http.PostAsync(path, content);
        using var answer = Read(await response.Content.ReadAsStringAsync(), form[0].Value);
        var data = answer.RootElement.GetProperty("data");
        var result = data.GetProperty("result");
        return data.GetProperty("resultType").GetString() switch
        {
            "matrix" => [.. result.EnumerateArray().Select(static series => new Series(
                Labels(series.GetProperty("metric")), [.. series.GetProperty("values").EnumerateArray().Select(Point)]))],
            "vector" => [.. result.EnumerateArray().Select(static series => new Series(
                Labels(series.GetProperty("metric")), [Point(series.GetProperty("value"))]))],
            _ => [new Series(new Dictionary<string, string>(), [Point(result)])],
        };
    }

    private async Task<JsonDocument> Get(string path)
    {
        using var response = await http.GetAsync(path);
        return Read(await response.Content.ReadAsStringAsync(), path);
    }

    private static JsonDocument Read(string text, string question)
    {
        var answer = JsonDocument.Parse(text);
        if (answer.RootElement.GetProperty("status").GetString() == "success") return answer;
        throw new PrometheusException($"{answer.RootElement.GetProperty("error").GetString()}: {question}");
    }

    private static Dictionary<string, string> Labels(JsonElement labels) =>
        labels.EnumerateObject().ToDictionary(static label => label.Name, static label => label.Value.GetString()!);

    private static (double Time, double Value) Point(JsonElement pair) => (pair[0].GetDouble(), pair[1].GetString() switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        var number => double.Parse(number!, CultureInfo.InvariantCulture),
    });

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);
}
