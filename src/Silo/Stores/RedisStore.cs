using System.Globalization;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Serialization;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Storage;
using StackExchange.Redis;

namespace Peft.Orleans.Silo.Stores;

/// <summary>A Redis server, through Orleans' providers.</summary>
internal sealed class RedisStore : ClusterStore
{
    private const string StatePrefix = ClusterIdentity.ServiceId + "/state/";

    private static readonly RedisKey Lives = ClusterIdentity.ServiceId + "/lives";
    private static readonly RedisKey Turn = ClusterIdentity.ServiceId + "/turn";

    private readonly ConfigurationOptions options;
    private readonly Lazy<Task<ConnectionMultiplexer>> connection;

    internal RedisStore(string text)
    {
        try
        {
            options = ConfigurationOptions.Parse(text);
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            // What was given holds a password: it is not repeated.
            throw new PeftException("the store's connection: expected HOST:PORT[,password=…][,ssl=true][,defaultDatabase=N], as "
                + "StackExchange.Redis reads it", error);
        }

        options.ClientName ??= "peft-silo";
        connection = new Lazy<Task<ConnectionMultiplexer>>(() => ConnectionMultiplexer.ConnectAsync(options));
    }

    private string Place => string.Join(", ", options.EndPoints.Select(static place => place.ToString()));

    /// <inheritdoc/>
    internal override async Task Prepare()
    {
        try
        {
            var redis = await connection.Value;
            // Afterwards it connects again whenever the server is there again.
            options.AbortOnConnectFail = false;
            await CheckForms(redis);
        }
        catch (RedisException error)
        {
            throw new PeftException(
                $"--store redis: {Place} cannot be used: {error.Message}; start the server, or correct {StoreSettings.Variable} or "
                + StoreSettings.FileOption, error);
        }
    }

    /// <inheritdoc/>
    internal override int NextLife() => checked((int)(long)Database.ScriptEvaluate(
        """
        local last = tonumber(redis.call('GET', KEYS[1]) or '0')
        local next = math.max(last + 1, tonumber(ARGV[1]))
        redis.call('SET', KEYS[1], string.format('%d', next))
        return next
        """,
        [Lives],
        [Now]));

    /// <inheritdoc/>
    internal override Task<bool> HoldsCluster() => Database.KeyExistsAsync(Lives);

    /// <summary>A key that expires: a silo that dies with it holds the others up no longer than one that freezes.</summary>
    internal override async Task<IAsyncDisposable?> TryTakeTurn()
    {
        var owner = Guid.NewGuid().ToString("N");
        var limit = TimeSpan.FromMilliseconds(Math.Max(1, ClusterTimes.Current.JoinTurn.TotalMilliseconds));
        return await Database.LockTakeAsync(Turn, owner, limit) ? new HeldTurn(Database, owner) : null;
    }

    /// <inheritdoc/>
    internal override void AddTo(ISiloBuilder silo)
    {
        silo.UseRedisClustering(clustering =>
        {
            clustering.ConfigurationOptions = options;
            clustering.CreateMultiplexer = async _ => (await connection.Value, true);
        });
        silo.AddRedisGrainStorage(GrainStorage);
        silo.Services.AddOptions<RedisStorageOptions>(GrainStorage).Configure<IServiceProvider>((storage, services) =>
        {
            storage.ConfigurationOptions = options;
            storage.CreateMultiplexer = async _ => (await connection.Value, true);
            storage.GrainStorageSerializer = new StoredFormSerializer(services.GetRequiredService<Serializer>(), Place);
        });
        silo.UseRedisReminderService(reminders =>
        {
            reminders.ConfigurationOptions = options;
            reminders.CreateMultiplexer = async _ => (await connection.Value, true);
        });
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (connection is { IsValueCreated: true, Value.IsCompletedSuccessfully: true }) await (await connection.Value).DisposeAsync();
    }

    private IDatabase Database => connection.Value.GetAwaiter().GetResult().GetDatabase();

    private async Task CheckForms(ConnectionMultiplexer redis)
    {
        foreach (var server in redis.GetServers().Where(static server => !server.IsReplica))
        {
            await foreach (var key in server.KeysAsync(redis.GetDatabase().Database, StatePrefix + "*"))
            {
                if (await redis.GetDatabase().HashGetAsync(key, "data") is { HasValue: true } data)
                    StoredFormSerializer.Check(((string)key!)[StatePrefix.Length..], (byte[])data!, Place);
            }
        }
    }

    private sealed class HeldTurn(IDatabase database, string owner) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                await database.LockReleaseAsync(Turn, owner);
            }
            catch (RedisException)
            {
                // It expires.
            }
        }
    }
}
