-- In which order what is said became final, so that whoever reads along can go on from where they were.

-- The position of a meeting's latest final words or gap. Whoever stores any writes this row first, so that positions
-- become visible in their order: whoever has seen one has seen all before it.
create table caption_position (
    meeting_id text primary key references meeting (id) on delete cascade,
    last bigint not null
);

alter table segment add column position bigint not null default 0;
-- A gap that grows gets a new one.
alter table gap add column position bigint not null default 0;

-- Of what was stored until now only the order in which it was said is known.
with line as (
    select meeting_id, id as segment_id, null as track, start_ms from segment
    union all
    select meeting_id, null, track, start_ms from gap
), numbered as (
    select meeting_id, segment_id,
        row_number() over (partition by meeting_id order by start_ms, segment_id, track) as position
    from line
)
update segment set position = numbered.position from numbered
where numbered.meeting_id = segment.meeting_id and numbered.segment_id = segment.id;

with line as (
    select meeting_id, id as segment_id, null as track, start_ms from segment
    union all
    select meeting_id, null, track, start_ms from gap
), numbered as (
    select meeting_id, track, start_ms,
        row_number() over (partition by meeting_id order by start_ms, segment_id, track) as position
    from line
)
update gap set position = numbered.position from numbered
where numbered.meeting_id = gap.meeting_id and numbered.track = gap.track and numbered.start_ms = gap.start_ms;

insert into caption_position (meeting_id, last)
select meeting_id, count(*) from (
    select meeting_id from segment
    union all
    select meeting_id from gap
) line
group by meeting_id;

create index segment_by_position on segment (meeting_id, position);
create index gap_by_position on gap (meeting_id, position);
