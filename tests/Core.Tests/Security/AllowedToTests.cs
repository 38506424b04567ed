using System.Reflection;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Core.Tests.Security;

/// <summary>Every method of a grain is decided on: who may call it from outside is seen here when it changes.</summary>
public sealed class AllowedToTests
{
    [Fact]
    public void Who_may_call_what()
    {
        string[] looks =
            ["IClusterGrain.Silos", "IRunCatalogGrain.List", "IRunGrain.GetMetrics", "IRunGrain.GetSilos", "IRunGrain.GetStatus"];
        string[] acts =
        [
            "IDataUploadGrain.Append", "IDataUploadGrain.Commit", "IDataUploadGrain.CommitFolder", "IDataUploadGrain.Find",
            "IDataUploadGrain.FindFiles", "IDataUploadGrain.FindFolder", "IEvaluationGrain.Close", "IEvaluationGrain.Open",
            "IEvaluationGrain.Score", "IExportGrain.Export", "IGenerationGrain.Close", "IGenerationGrain.Generate", "IGenerationGrain.Open",
            "IRunGrain.Start", "IRunGrain.Stop",
        ];
        string[] silos = ["IRunCatalogGrain.Report", "IRunGrain.Leave", "IRunGrain.MembershipChanged", "IRunGrain.PeerUnreachable"];
        Assert.Equal(looks, Methods(Role.ReadOnly));
        Assert.Equal(acts, Methods(Role.Operator));
        // Whole interfaces are the silos' own; of those that clients call, these methods are.
        string[] own = ["ISiloAgent.", "ILayerShardGrain.", "IDatasetGrain.", "IRunHistoryGrain."];
        var inner = Methods(null).Where(name => !Array.Exists(own, start => name.StartsWith(start, StringComparison.Ordinal)));
        Assert.Equal(silos, inner);
    }

    private static string[] Methods(Role? role) =>
        [.. from type in typeof(IRunGrain).Assembly.GetTypes()
            where type.IsInterface && typeof(IAddressable).IsAssignableFrom(type)
            from method in type.GetMethods()
            where method.GetCustomAttribute<AllowedToAttribute>()?.Role == role
            let name = $"{type.Name}.{method.Name}"
            orderby name
            select name];
}
