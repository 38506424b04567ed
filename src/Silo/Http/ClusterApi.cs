using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Membership;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Silo.Http;

/// <summary>What the page asks: JSON of bounded size, read from grains, nothing that could change anything.</summary>
internal static class ClusterApi
{
    /// <summary>Longest text taken into an answer, characters; an exception's may be any length.</summary>
    private const int LongestText = 2000;

    internal static void Map(RouteGroupBuilder group)
    {
        var api = group.MapGroup("/api");
        api.AddEndpointFilter(static async (context, next) =>
        {
            context.HttpContext.Response.Headers.CacheControl = "no-store";
            try
            {
                return await next(context);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or IOException or PeftException)
            {
                // A silo is just being lost, or has no way to the others.
                return Results.Json(new { error = Text(error.Message) }, statusCode: StatusCodes.Status503ServiceUnavailable);
            }
        });
        api.MapGet("/cluster", static async (ClusterView view, SiloIdentity self) =>
            Results.Json(new { silo = self.Name, silos = Of(await view.Silos()) }));
        api.MapGet("/runs", static async (ClusterView view) => Results.Json((await view.Runs()).Select(Of)));
        api.MapGet("/runs/{id}", static async (string id, ClusterView view, WallClock clock) =>
            await view.Run(id) is not { } run ? Results.NotFound() : Results.Json(new
            {
                now = clock.Time.GetUtcNow(),
                run = Of(run),
                silos = Of(await view.SilosOf(run)),
            }));
        api.MapGet("/runs/{id}/subject", static async (string id, ClusterView view) =>
            await view.Run(id) is not { } run ? Results.NotFound() : Results.Json(await view.Subject(run)));
        api.MapGet("/runs/{id}/steps", static async (string id, [FromQuery] int? after, [FromQuery] int? width, ClusterView view) =>
            await view.Run(id) is not { } run ? Results.NotFound() : Results.Json(Of(await view.Steps(run, after ?? 0, width ?? 0))));
        api.MapGet("/runs/{id}/events", static async (string id, [FromQuery] int? after, ClusterView view) =>
            await view.Run(id) is not { } run
                ? Results.NotFound()
                : Results.Json((await view.Events(run, after ?? 0)).Select(Of).OfType<object>()));
    }

    /// <summary>One of each name: a silo that lives, else what membership remembers of it.</summary>
    private static IEnumerable<object> Of(IReadOnlyList<SiloStatus> silos) => silos
        .OrderBy(static silo => silo.Pid == 0)
        .DistinctBy(static silo => silo.Name)
        .Select(Of);

    private static object Of(SiloStatus silo) => new
    {
        name = silo.Name,
        state = silo.State,
        address = silo.Address,
        pid = silo.Pid,
        replica = silo.Replica,
        layers = silo.Layers,
        residentBytes = silo.ResidentBytes,
        page = SiloPage.Of(silo.MetricsUrl),
    };

    private static object Of(RunStatus run) => new
    {
        id = run.RunId,
        state = run.State.ToString().ToLowerInvariant(),
        message = Text(run.Message),
        step = run.Step,
        steps = run.Steps,
        loss = Finite(run.Loss),
        validationLoss = Finite(run.ValidationLoss),
        tokensPerSecond = Finite(run.TokensPerSecond),
        evaluationBefore = Finite(run.EvaluationBefore),
        evaluationAfter = Finite(run.EvaluationAfter),
        silos = run.Silos,
        term = run.Term,
        recoveries = run.Recoveries,
        created = run.Created,
        adapter = run.AdapterPath,
    };

    private static object Of(StepCourse course) => new
    {
        width = course.Width,
        whole = course.Whole,
        points = course.Points.Select(static point => new
        {
            first = point.First,
            last = point.Last,
            loss = Finite(point.Loss),
            low = Finite(point.LossLow),
            high = Finite(point.LossHigh),
            norm = Finite(point.GradientNorm),
            normHigh = Finite(point.GradientNormHigh),
            rate = Finite(point.LearningRate),
            validation = Finite(point.ValidationLoss),
            lambda = point.Lambda.Select(static value => Finite(Math.Round(value, 4))),
        }),
    };

    /// <summary>An event with its sentence; null where the line is none.</summary>
    private static object? Of(NumberedEvent numbered)
    {
        if (JsonNode.Parse(numbered.Line) is not JsonObject line) return null;
        var name = RunEvents.Word(line["event"]);
        var details = line["details"] as JsonObject ?? [];
        var known = DateTimeOffset.TryParse(RunEvents.Word(line["time"]), CultureInfo.InvariantCulture, out var time);
        return new
        {
            number = numbered.Number,
            name,
            time = known ? time : (DateTimeOffset?)null,
            sentence = Text(RunEvents.Sentence(name, details)),
            silos = Names(details["silos"]) ?? Names(details["silo"]),
            standbys = Names(details["standbys"]),
            term = Number(details["term"]),
            step = Number(details["step"]) ?? Number(details["fromStep"]),
        };
    }

    private static string[]? Names(JsonNode? node) => node switch
    {
        null => null,
        JsonArray list => [.. list.Select(RunEvents.Word)],
        _ => [RunEvents.Word(node)],
    };

    private static int? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<int>(out var number) ? number : null;

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    private static string Text(string text) => text.Length <= LongestText ? text : text[..LongestText] + " …";
}
